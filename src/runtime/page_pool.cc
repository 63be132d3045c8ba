// Which pages of a KV cache are in use, by how many sequences, and what full ones hold.
#include "runtime/page_pool.h"

#include <algorithm>

#include "base/error.h"

namespace octet::runtime {

namespace {

uint64_t content_hash(PagePool::Chain before, std::span<const int32_t> tokens) {
  uint64_t hash = before;
  for (const int32_t token : tokens) {
    hash = (hash ^ static_cast<uint32_t>(token)) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

PagePool::PagePool(int64_t pages) : pages_(static_cast<size_t>(pages)) {
  for (int64_t page = pages - 1; page >= 0; --page) free_.push_back(static_cast<int32_t>(page));
}

int32_t PagePool::take() {
  OCTET_CHECK(available() > 0);
  if (free_.empty()) forget(unused_.front());
  const int32_t page = free_.back();
  free_.pop_back();
  at(page).users = 1;
  return page;
}

void PagePool::share(int32_t page) {
  Page& state = at(page);
  OCTET_CHECK(state.users > 0 || state.chain != 0);
  if (state.users == 0) unused_.erase(state.unused);
  ++state.users;
}

void PagePool::release(int32_t page) {
  Page& state = at(page);
  OCTET_CHECK(state.users > 0);
  if (--state.users > 0) return;
  if (state.chain == 0) {
    free_.push_back(page);
  } else {
    state.unused = unused_.insert(unused_.end(), page);
  }
}

std::optional<PagePool::Found> PagePool::find(Chain before, std::span<const int32_t> tokens) const {
  const auto [begin, end] = by_content_.equal_range(content_hash(before, tokens));
  for (auto entry = begin; entry != end; ++entry) {
    const Page& page = at(entry->second);
    // Hashes may collide, by chance or because somebody wants them to.
    if (page.before == before && std::ranges::equal(page.tokens, tokens)) {
      return Found{entry->second, page.chain};
    }
  }
  return std::nullopt;
}

PagePool::Chain PagePool::remember(int32_t page, Chain before, std::span<const int32_t> tokens) {
  Page& state = at(page);
  OCTET_CHECK(state.users > 0 && state.chain == 0);
  if (const auto found = find(before, tokens)) return found->chain;
  state.chain = next_chain_++;
  state.before = before;
  state.tokens.assign(tokens.begin(), tokens.end());
  by_content_.emplace(content_hash(before, tokens), page);
  return state.chain;
}

/// Pages that follow it can no longer be found; they go as they become the longest unused.
void PagePool::forget(int32_t page) {
  Page& state = at(page);
  const auto [begin, end] = by_content_.equal_range(content_hash(state.before, state.tokens));
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second != page) continue;
    by_content_.erase(entry);
    break;
  }
  unused_.erase(state.unused);
  state = Page{};
  free_.push_back(page);
}

}  // namespace octet::runtime

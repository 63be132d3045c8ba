// A vocabulary in little memory: every spelling in one string, found through one table of indices.
#include "tokenizer/vocabulary.h"

#include <functional>
#include <limits>

#include "base/error.h"

namespace octet::tokenizer {
namespace {

constexpr uint32_t kEmpty = std::numeric_limits<uint32_t>::max();

}  // namespace

void Vocabulary::add(std::string_view spelling, TokenId id) {
  if (id < 0 || id > kMaximumTokenId) {
    fail("token id {} is outside 0 … {}", id, kMaximumTokenId);
  }
  if (arena_.size() + spelling.size() >= kEmpty) fail("the vocabulary's text exceeds 4 GiB");
  const auto index = static_cast<uint32_t>(entries_.size());
  entries_.push_back(
      {static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(spelling.size()), id});
  arena_ += spelling;
  if (static_cast<size_t>(id) >= entry_of_id_.size()) {
    entry_of_id_.resize(static_cast<size_t>(id) + 1, kEmpty);
  }
  if (entry_of_id_[static_cast<size_t>(id)] == kEmpty) {
    entry_of_id_[static_cast<size_t>(id)] = index;
  }
  if (entries_.size() * 2 > slots_.size()) {
    rehash(slots_.empty() ? 256 : slots_.size() * 2);
    return;
  }
  if (find(spelling) != kNoToken) return;
  const size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>{}(spelling)&mask;
  while (slots_[slot] != kEmpty) slot = (slot + 1) & mask;
  slots_[slot] = index;
}

void Vocabulary::reserve(size_t tokens, size_t bytes) {
  arena_.reserve(bytes);
  entries_.reserve(tokens);
  entry_of_id_.reserve(tokens);
  size_t slots = 256;
  while (slots < tokens * 2) slots *= 2;
  if (slots > slots_.size()) rehash(slots);
}

void Vocabulary::rehash(size_t slots) {
  slots_.assign(slots, kEmpty);
  const size_t mask = slots - 1;
  for (uint32_t index = 0; index < entries_.size(); ++index) {
    const std::string_view spelling = text(entries_[index]);
    size_t slot = std::hash<std::string_view>{}(spelling)&mask;
    while (slots_[slot] != kEmpty && text(entries_[slots_[slot]]) != spelling) {
      slot = (slot + 1) & mask;
    }
    if (slots_[slot] == kEmpty) slots_[slot] = index;
  }
}

TokenId Vocabulary::find(std::string_view spelling) const {
  if (slots_.empty()) return kNoToken;
  const size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>{}(spelling)&mask;
  for (; slots_[slot] != kEmpty; slot = (slot + 1) & mask) {
    const Entry& entry = entries_[slots_[slot]];
    if (text(entry) == spelling) return entry.id;
  }
  return kNoToken;
}

bool Vocabulary::has(TokenId id) const {
  return id >= 0 && id < size() && entry_of_id_[static_cast<size_t>(id)] != kEmpty;
}

std::string_view Vocabulary::spelling(TokenId id) const {
  return has(id) ? text(entries_[entry_of_id_[static_cast<size_t>(id)]]) : std::string_view();
}

size_t Vocabulary::memory_bytes() const {
  return arena_.capacity() + entries_.capacity() * sizeof(Entry) +
         (entry_of_id_.capacity() + slots_.capacity()) * sizeof(uint32_t);
}

}  // namespace octet::tokenizer

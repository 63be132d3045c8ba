// The sequences that run together: how they come in, share pages of the KV cache, and end.
#include "runtime/batch.h"

#include <algorithm>

namespace octet::runtime {

namespace {

constexpr int64_t kPage = ops::kPagePositions;

/// The tokens that page number `page` of a sequence holds.
std::span<const int32_t> page_tokens(const ActiveRequest& request, int64_t page) {
  return std::span(request.tokens).subspan(static_cast<size_t>(page * kPage), kPage);
}

}  // namespace

Batch::Batch(model::Model& model, device::Cpu& cpu, const SchedulerOptions& options)
    : cpu_(cpu),
      model_(model),
      options_(options),
      whole_calls_(linear::depends_on_call(model.precision().method, model.precision().outliers)),
      session_(model, cpu, options.context, options.sequences, options.pages) {
  if (whole_calls_) options_.share_prefixes = false;
}

Statistics Batch::statistics() const {
  Statistics statistics = statistics_;
  const PagePool& pool = session_.pool();
  statistics.running = std::ssize(running_);
  statistics.pages = pool.pages();
  statistics.pages_used = pool.used();
  statistics.pages_remembered = pool.remembered();
  statistics.kv_cache_bytes = session_.kv_cache_bytes();
  return statistics;
}

int Batch::bits_of(const ActiveRequest& request) const {
  const linear::Precision& precision = model_.precision();
  return precision.method == linear::Method::llm_int8 ? request.request.activation_bits
                                                      : precision.activation_bits;
}

int64_t Batch::pages_for(const ActiveRequest& request) {
  return model::pages_for(request.positions());
}

int64_t Batch::promised_pages() const {
  int64_t promised = 0;
  for (const auto& each : running_) {
    promised += each->pages - std::ssize(session_.pages(each->sequence));
  }
  return promised;
}

std::optional<PagePool::Found> Batch::shared_page(const ActiveRequest& request,
                                                  PagePool::Chain chain, int64_t page) const {
  // The prompt's last token is read in any case: its logits give the first token of the answer.
  const bool whole = (page + 1) * kPage < request.prompt_size();
  if (!options_.share_prefixes || request.request.score_prompt || !whole) return std::nullopt;
  return session_.pool().find(chain, page_tokens(request, page));
}

void Batch::adopt_pages(ActiveRequest& request) {
  if (position(request) != request.chained_pages * kPage) return;
  while (const auto found = shared_page(request, request.chain, request.chained_pages)) {
    session_.adopt(request.sequence, found->page);
    request.chain = found->chain;
    ++request.chained_pages;
    request.shared_tokens += kPage;
    statistics_.shared_prompt_tokens += kPage;
  }
}

void Batch::remember_pages(ActiveRequest& request) {
  if (!options_.share_prefixes) return;
  while ((request.chained_pages + 1) * kPage <= position(request)) {
    const auto page = static_cast<size_t>(request.chained_pages);
    request.chain = session_.pool().remember(session_.pages(request.sequence)[page], request.chain,
                                             page_tokens(request, request.chained_pages));
    ++request.chained_pages;
  }
}

bool Batch::admit(std::unique_ptr<ActiveRequest>& request) {
  if (std::ssize(running_) >= options_.sequences) return false;
  const auto root = static_cast<PagePool::Chain>(bits_of(*request));
  // Pages that others use cost nothing; those that nobody uses are among the available ones.
  int64_t needed = pages_for(*request);
  PagePool::Chain chain = root;
  int64_t page = 0;
  while (const auto found = shared_page(*request, chain, page)) {
    if (session_.pool().users(found->page) > 0) --needed;
    chain = found->chain;
    ++page;
  }
  if (needed > session_.pool().available() - promised_pages()) return false;
  request->sequence = session_.open();
  request->pages = pages_for(*request);
  request->chain = root;
  request->started = Clock::now();
  if (request->request.score_prompt) {
    request->prompt_scores.tokens.resize(static_cast<size_t>(request->prompt_size() - 1));
  }
  adopt_pages(*request);
  running_.push_back(std::move(request));
  return true;
}

void Batch::remove_given_up() {
  const auto now = Clock::now();
  for (size_t i = 0; i < running_.size();) {
    if (auto event = running_[i]->given_up(now)) {
      end(*running_[i], std::move(*event));
    } else {
      ++i;
    }
  }
}

void Batch::end_all(const EndEvent& event) {
  while (!running_.empty()) end(*running_.back(), event);
}

void Batch::end(ActiveRequest& request, EndEvent event) {
  const auto at = std::ranges::find(running_, &request, &std::unique_ptr<ActiveRequest>::get);
  session_.close(request.sequence);
  ended_.push_back({std::move(*at), request.ended(std::move(event), Clock::now())});
  running_.erase(at);
  const EndEvent& told = ended_.back().event;
  if (told.tokens > 1) statistics_.longest_gap_seconds.add(told.longest_gap_s);
}

}  // namespace octet::runtime

// Choosing the next token from its logits.
#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace octet::runtime {

namespace {

uint64_t mix(uint64_t z) {  // splitmix64's finaliser
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// A number in [0, 1) from what identifies the draw, and nothing else.
double uniform(uint64_t seed, uint64_t sequence, uint64_t position) {
  const uint64_t bits = mix(mix(mix(seed) ^ sequence) ^ position);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

int32_t highest(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

void penalise(std::span<float> logits, float penalty, std::span<const int32_t> previous) {
  std::vector<int32_t> seen(previous.begin(), previous.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (int32_t token : seen) {
    float& logit = logits[static_cast<size_t>(token)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

struct Candidate {
  float logit;
  int32_t token;
  double probability;  ///< relative to the most probable token's
};

/// Descending by logit, ties by id, so that the order is the same everywhere.
bool before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

/// The `count` first ones, in order.
std::vector<Candidate> most_probable(std::span<const float> logits, size_t count) {
  std::vector<Candidate> heap;  // the last of them on top
  if (count == 0) return heap;
  heap.reserve(count + 1);
  for (size_t i = 0; i < logits.size(); ++i) {
    const Candidate candidate{logits[i], static_cast<int32_t>(i), 0};
    if (heap.size() == count && !before(candidate, heap.front())) continue;
    if (logits[i] == -std::numeric_limits<float>::infinity()) continue;
    heap.push_back(candidate);
    std::push_heap(heap.begin(), heap.end(), before);
    if (heap.size() <= count) continue;
    std::pop_heap(heap.begin(), heap.end(), before);
    heap.pop_back();
  }
  std::sort_heap(heap.begin(), heap.end(), before);
  return heap;
}

/// All of them, in the order of their ids.
std::vector<Candidate> all_candidates(std::span<const float> logits) {
  std::vector<Candidate> list;
  list.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == -std::numeric_limits<float>::infinity()) continue;
    list.push_back({logits[i], static_cast<int32_t>(i), 0});
  }
  return list;
}

/// What top-k, min-p and top-p leave, handed out with the most probable one first; without any of
/// them all tokens, in the order of their ids. A vocabulary is not sorted for the few that a draw
/// looks at: what is not handed out yet is a heap.
class Candidates {
 public:
  Candidates(std::span<const float> logits, const Sampling& sampling) {
    const bool few = sampling.top_k > 0 && static_cast<size_t>(sampling.top_k) < logits.size();
    heap_ =
        few ? most_probable(logits, static_cast<size_t>(sampling.top_k)) : all_candidates(logits);
    OCTET_CHECK(!heap_.empty());
    set_probabilities(sampling.temperature);
    if (!few && sampling.min_p <= 0 && sampling.top_p >= 1) {
      ordered_ = std::move(heap_);
      return;
    }
    cut(sampling);
  }

  /// Unnormalised probability of all of them.
  double sum() const { return sum_; }
  bool done() const { return next_ == ordered_.size() && heap_.empty(); }
  Candidate next() {
    if (next_ < ordered_.size()) return ordered_[next_++];
    return pop();
  }

 private:
  static bool after(const Candidate& a, const Candidate& b) { return before(b, a); }
  Candidate pop() {
    std::ranges::pop_heap(heap_, after);
    const Candidate first = heap_.back();
    heap_.pop_back();
    return first;
  }
  void set_probabilities(double temperature) {
    double highest_logit = heap_.front().logit;
    for (const Candidate& c : heap_) highest_logit = std::max<double>(highest_logit, c.logit);
    for (Candidate& candidate : heap_) {
      candidate.probability = std::exp((candidate.logit - highest_logit) / temperature);
      sum_ += candidate.probability;
    }
  }
  void cut(const Sampling& sampling) {
    // The n tokens from one of top-p's on hold more than 1 − top_p, so that one, the most probable
    // of them, holds more than 1/n of that; half of it leaves room for rounding.
    const double in_top_p =
        .5 * std::max(0., 1 - double{sampling.top_p}) * sum_ / static_cast<double>(heap_.size());
    const double least = std::min(1., std::max<double>(sampling.min_p, in_top_p));
    std::erase_if(heap_, [&](const Candidate& c) { return c.probability < least; });
    std::ranges::make_heap(heap_, after);
    const double wanted = double{sampling.top_p} * sum_;
    sum_ = 0;
    if (sampling.top_p >= 1) {
      for (const Candidate& candidate : heap_) sum_ += candidate.probability;
      return;
    }
    while (!heap_.empty() && (ordered_.empty() || sum_ < wanted)) {
      ordered_.push_back(pop());
      sum_ += ordered_.back().probability;
    }
    heap_.clear();
  }

  std::vector<Candidate> heap_;
  std::vector<Candidate> ordered_;
  size_t next_ = 0;
  double sum_ = 0;
};

int32_t draw(std::span<const float> logits, const Sampling& sampling, double random) {
  Candidates candidates(logits, sampling);
  double remaining = random * candidates.sum();
  Candidate candidate{};
  while (!candidates.done()) {
    candidate = candidates.next();
    remaining -= candidate.probability;
    if (remaining < 0) break;
  }
  return candidate.token;
}

}  // namespace

std::vector<int32_t> most_probable_tokens(std::span<const float> logits, size_t count) {
  std::vector<int32_t> ids;
  for (const Candidate& candidate : most_probable(logits, count)) ids.push_back(candidate.token);
  return ids;
}

double log_sum_exp(std::span<const float> logits) {
  const double highest_logit = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - highest_logit);
  return highest_logit + std::log(sum);
}

int32_t choose(std::span<float> logits, const Sampling& sampling, std::span<const int32_t> previous,
               std::span<const int32_t> forbidden, uint64_t sequence, uint64_t position) {
  if (sampling.repeat_penalty != 1) penalise(logits, sampling.repeat_penalty, previous);
  for (int32_t token : forbidden) {
    logits[static_cast<size_t>(token)] = -std::numeric_limits<float>::infinity();
  }
  if (sampling.temperature <= 0) return highest(logits);
  return draw(logits, sampling, uniform(sampling.seed, sequence, position));
}

Sampled sample(std::span<float> logits, const Sampling& sampling, std::span<const int32_t> previous,
               std::span<const int32_t> forbidden, uint64_t sequence, uint64_t position) {
  const double normaliser = log_sum_exp(logits);
  const std::vector<float> original(logits.begin(), logits.end());
  const int32_t chosen = choose(logits, sampling, previous, forbidden, sequence, position);
  return {chosen, static_cast<float>(original[static_cast<size_t>(chosen)] - normaliser)};
}

}  // namespace octet::runtime

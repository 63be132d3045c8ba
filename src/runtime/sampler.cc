// Choosing the next token from its logits.
#include "runtime/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"
#include "device/cpu_features.h"
#include "ops/softmax/softmax.h"

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

float highest_of(std::span<const float> logits) {
  // Side by side, so that compilers use vectors for it.
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> lanes;
  lanes.fill(-std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
  }
  for (; i < logits.size(); ++i) lanes[0] = std::max(lanes[0], logits[i]);
  return *std::ranges::max_element(lanes);
}

/// The lowest id among equal ones; 0 where no logit is a number.
int32_t first_highest(std::span<const float> logits) {
  const auto at = std::ranges::find(logits, highest_of(logits));
  return at == logits.end() ? 0 : static_cast<int32_t>(at - logits.begin());
}

/// The softmax of logits, in blocks; its weights are relative to the highest one's.
class Softmax {
 public:
  Softmax(std::span<const float> logits, float temperature, float highest,
          std::span<float> weights = {})
      : logits_(logits),
        highest_(highest),
        scale_(std::min(1 / temperature, std::numeric_limits<float>::max())),  // 0 · ∞ is no number
        sums_((logits.size() + kBlock - 1) / kBlock) {
    run(logits, weights, sums_);
    for (const float sum : sums_) sum_ += sum;
  }

  /// Of all weights.
  double sum() const { return sum_; }
  /// The token at which the running sum of weights passes `at`, 0 ≤ at < sum().
  int32_t token_at(double at) const {
    size_t block = 0;
    size_t last = 0;  // that has any weight
    for (; block < sums_.size() && !(at < sums_[block]); ++block) {
      at -= sums_[block];
      if (sums_[block] > 0) last = block;
    }
    if (block == sums_.size()) block = last;
    const size_t first = block * kBlock;
    const auto logits = logits_.subspan(first, std::min(kBlock, logits_.size() - first));
    std::array<float, kBlock> weights;
    float sum = 0;
    run(logits, weights, {&sum, 1});
    size_t token = 0;
    for (size_t i = 0; i < logits.size() && !(at < 0); ++i) {
      at -= weights[i];
      if (weights[i] > 0) token = i;
    }
    return static_cast<int32_t>(first + token);
  }

 private:
  static constexpr auto kBlock = static_cast<size_t>(ops::kSoftmaxBlock);

  void run(std::span<const float> logits, std::span<float> weights, std::span<float> sums) const {
    static const auto kernel = ops::choose(ops::softmax_kernels(), device::cpu_features()).function;
    kernel({.x = logits.data(),
            .count = std::ssize(logits),
            .highest = highest_,
            .scale = scale_,
            .weights = weights.data(),
            .sums = sums.data()});
  }

  std::span<const float> logits_;
  float highest_;
  float scale_;
  std::vector<float> sums_;
  double sum_ = 0;
};

void penalise_repeats(std::span<float> logits, float penalty, std::span<const int32_t> previous) {
  std::vector<int32_t> seen(previous.begin(), previous.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (int32_t token : seen) {
    float& logit = logits[static_cast<size_t>(token)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

void penalise_generated(std::span<float> logits, const Sampling& sampling,
                        std::span<const int32_t> generated) {
  std::map<int32_t, int> times;
  for (const int32_t token : generated) ++times[token];
  for (const auto& [token, count] : times) {
    logits[static_cast<size_t>(token)] -=
        sampling.presence_penalty + static_cast<float>(count) * sampling.frequency_penalty;
  }
}

bool penalises_generated(const Sampling& sampling) {
  return sampling.presence_penalty != 0 || sampling.frequency_penalty != 0;
}

/// Whether anything changes the logits before a token is drawn from them.
bool changes_logits(const Sampling& sampling, std::span<const int32_t> forbidden) {
  return sampling.repeat_penalty != 1 || penalises_generated(sampling) ||
         !sampling.logit_bias.empty() || !forbidden.empty();
}

void change_logits(std::span<float> logits, const Sampling& sampling, const History& history,
                   std::span<const int32_t> forbidden) {
  for (const auto& [token, bias] : sampling.logit_bias) logits[static_cast<size_t>(token)] += bias;
  if (sampling.repeat_penalty != 1)
    penalise_repeats(logits, sampling.repeat_penalty, history.tokens);
  if (penalises_generated(sampling)) penalise_generated(logits, sampling, history.generated());
  for (const int32_t token : forbidden)
    logits[static_cast<size_t>(token)] = -std::numeric_limits<float>::infinity();
}

struct Candidate {
  float logit;
  int32_t token;
  float weight;  ///< relative to the most probable token's
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
    const Candidate candidate{logits[i], static_cast<int32_t>(i), 1};
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

/// What top-k, min-p and top-p leave, the most probable one first. A vocabulary is not sorted for
/// the few that a draw looks at: what is not handed out yet is a heap.
class Candidates {
 public:
  Candidates(std::span<const float> logits, const Sampling& sampling, float highest) {
    double sum = 0;
    if (cuts_at_k(logits, sampling)) {
      heap_ = most_probable(logits, static_cast<size_t>(sampling.top_k));
      sum = weigh(sampling.temperature, highest);
      const double least = least_weight(sampling, sum, heap_.size());
      std::erase_if(heap_, [&](const Candidate& c) { return c.weight < least; });
    } else {
      sum = gather(logits, sampling, highest);
    }
    cut(sampling, sum);
  }

  static bool cuts_at_k(std::span<const float> logits, const Sampling& sampling) {
    return sampling.top_k > 0 && static_cast<size_t>(sampling.top_k) < logits.size();
  }

  /// Of their weights.
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
  /// A weight that every token has which min-p and top-p leave of `count` ones that hold `sum`: the
  /// n tokens from one of top-p's on hold more than 1 − top_p, so that one, the most probable of
  /// them, holds more than 1/n of that; half of it leaves room for rounding.
  static double least_weight(const Sampling& sampling, double sum, size_t count) {
    const double in_top_p =
        .5 * std::max(0., 1 - double{sampling.top_p}) * sum / static_cast<double>(count);
    return std::min(1., std::max<double>(sampling.min_p, in_top_p));
  }
  /// Gives the heap's candidates their weights and returns the sum.
  double weigh(float temperature, float highest) {
    std::vector<float> logits;
    std::vector<float> weights(heap_.size());
    for (const Candidate& candidate : heap_) logits.push_back(candidate.logit);
    const Softmax softmax(logits, temperature, highest, weights);
    for (size_t i = 0; i < heap_.size(); ++i) heap_[i].weight = weights[i];
    return softmax.sum();
  }
  /// Puts those that can be left into the heap and returns the sum of all.
  double gather(std::span<const float> logits, const Sampling& sampling, float highest) {
    std::vector<float> weights(logits.size());
    const Softmax softmax(logits, sampling.temperature, highest, weights);
    const double least = least_weight(sampling, softmax.sum(), logits.size());
    for (size_t i = 0; i < logits.size(); ++i) {
      if (weights[i] >= least) heap_.push_back({logits[i], static_cast<int32_t>(i), weights[i]});
    }
    return softmax.sum();
  }
  /// Leaves what top-p does, of candidates and others that hold `sum`.
  void cut(const Sampling& sampling, double sum) {
    std::ranges::make_heap(heap_, after);
    if (sampling.top_p >= 1) {
      for (const Candidate& candidate : heap_) sum_ += candidate.weight;
      return;
    }
    const double wanted = double{sampling.top_p} * sum;
    while (!heap_.empty() && (ordered_.empty() || sum_ < wanted)) {
      ordered_.push_back(pop());
      sum_ += ordered_.back().weight;
    }
    heap_.clear();
  }

  std::vector<Candidate> heap_;
  std::vector<Candidate> ordered_;
  size_t next_ = 0;
  double sum_ = 0;
};

int32_t draw(std::span<const float> logits, const Sampling& sampling, double random) {
  const float highest = highest_of(logits);
  OCTET_CHECK(highest > -std::numeric_limits<float>::infinity());
  const bool all =
      !Candidates::cuts_at_k(logits, sampling) && sampling.min_p <= 0 && sampling.top_p >= 1;
  if (all) {
    const Softmax softmax(logits, sampling.temperature, highest);
    return softmax.token_at(random * softmax.sum());
  }
  Candidates candidates(logits, sampling, highest);
  double remaining = random * candidates.sum();
  Candidate candidate{};
  while (!candidates.done()) {
    candidate = candidates.next();
    remaining -= candidate.weight;
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
  const float highest = highest_of(logits);
  if (!std::isfinite(highest)) return highest;
  return highest + std::log(Softmax(logits, 1, highest).sum());
}

int32_t choose(std::span<const float> logits, const Sampling& sampling, const History& history,
               std::span<const int32_t> forbidden, uint64_t sequence, uint64_t position) {
  std::vector<float> changed;
  if (changes_logits(sampling, forbidden)) {
    changed.assign(logits.begin(), logits.end());
    change_logits(changed, sampling, history, forbidden);
    logits = changed;
  }
  if (sampling.temperature <= 0) return first_highest(logits);
  return draw(logits, sampling, uniform(sampling.seed, sequence, position));
}

Sampled sample(std::span<const float> logits, const Sampling& sampling, const History& history,
               std::span<const int32_t> forbidden, uint64_t sequence, uint64_t position) {
  const int32_t chosen = choose(logits, sampling, history, forbidden, sequence, position);
  return {chosen, static_cast<float>(logits[static_cast<size_t>(chosen)] - log_sum_exp(logits))};
}

}  // namespace octet::runtime

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
  double probability;
};

/// Descending by logit, ties by id, so that the order is the same everywhere.
bool before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

/// The candidates that top-k, min-p and top-p leave, with their probabilities.
std::vector<Candidate> candidates(std::span<const float> logits, const Sampling& sampling) {
  std::vector<Candidate> list;
  list.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != -std::numeric_limits<float>::infinity()) {
      list.push_back({logits[i], static_cast<int32_t>(i), 0});
    }
  }
  OCTET_CHECK(!list.empty());
  const size_t keep =
      sampling.top_k > 0 ? std::min(list.size(), static_cast<size_t>(sampling.top_k)) : list.size();
  std::partial_sort(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(keep), list.end(),
                    before);
  list.resize(keep);
  double sum = 0;
  for (Candidate& candidate : list) {
    candidate.probability =
        std::exp((static_cast<double>(candidate.logit) - list[0].logit) / sampling.temperature);
    sum += candidate.probability;
  }
  size_t left = 0;
  double cumulative = 0;
  // The most probable one always stays; its unnormalised probability is 1.
  while (left < list.size() && (left == 0 || (cumulative < sampling.top_p * sum &&
                                              list[left].probability >= sampling.min_p))) {
    cumulative += list[left].probability;
    ++left;
  }
  list.resize(left);
  return list;
}

}  // namespace

double log_sum_exp(std::span<const float> logits) {
  const double highest_logit = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - highest_logit);
  return highest_logit + std::log(sum);
}

Sampled sample(std::span<float> logits, const Sampling& sampling, std::span<const int32_t> previous,
               std::span<const int32_t> forbidden, uint64_t sequence, uint64_t position) {
  const double normaliser = log_sum_exp(logits);
  const std::vector<float> original(logits.begin(), logits.end());
  if (sampling.repeat_penalty != 1) penalise(logits, sampling.repeat_penalty, previous);
  for (int32_t token : forbidden) {
    logits[static_cast<size_t>(token)] = -std::numeric_limits<float>::infinity();
  }
  int32_t chosen = 0;
  if (sampling.temperature <= 0) {
    chosen = highest(logits);
  } else {
    const std::vector<Candidate> list = candidates(logits, sampling);
    double sum = 0;
    for (const Candidate& candidate : list) sum += candidate.probability;
    double remaining = uniform(sampling.seed, sequence, position) * sum;
    chosen = list.back().token;
    for (const Candidate& candidate : list) {
      remaining -= candidate.probability;
      if (remaining < 0) {
        chosen = candidate.token;
        break;
      }
    }
  }
  return {chosen, static_cast<float>(original[static_cast<size_t>(chosen)] - normaliser)};
}

}  // namespace octet::runtime

// Choosing the next token from its logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace octet::runtime {

/// How the next token is drawn. temperature 0 is greedy (the lowest id among equal logits).
struct Sampling {
  float temperature = 0.8f;
  int top_k = 40;       ///< 0: off
  float top_p = 0.95f;  ///< 1: off
  float min_p = 0.05f;  ///< 0: off; relative to the most probable token
  float repeat_penalty =
      1;  ///< 1: off; > 1 makes tokens of `previous` less likely (CTRL, Sec. 4.1)
  uint64_t seed = 0;
};

struct Sampled {
  int32_t token = 0;
  float logprob = 0;  ///< natural log of its probability before temperature, cuts and penalty
};

/// Draws from `logits` (changed in place by `forbidden` and the penalty). The random number depends
/// on (seed, sequence, position) only. `forbidden` tokens are never chosen.
Sampled sample(std::span<float> logits, const Sampling& sampling, std::span<const int32_t> previous,
               std::span<const int32_t> forbidden, uint64_t sequence, uint64_t position);

/// log Σ exp(logits), in double, in index order.
double log_sum_exp(std::span<const float> logits);

}  // namespace octet::runtime

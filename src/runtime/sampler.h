// Choosing the next token from its logits.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace octet::runtime {

/// How the next token is drawn. temperature 0 is greedy (the lowest id among equal logits).
struct Sampling {
  float temperature = 0.8f;
  int top_k = 40;       ///< 0: off
  float top_p = 0.95f;  ///< 1: off
  float min_p = 0.05f;  ///< 0: off; relative to the most probable token
  /// 1: off; > 1 makes all tokens that were before less likely (CTRL, Sec. 4.1).
  float repeat_penalty = 1;
  /// Taken from the logits of tokens that were generated before: once, and once for each time (as
  /// in OpenAI's API). 0: off.
  float presence_penalty = 0;
  float frequency_penalty = 0;
  /// Added to logits: ids, each within the vocabulary, and finite numbers.
  std::vector<std::pair<int32_t, float>> logit_bias = {};
  uint64_t seed = 0;
};

/// What stands before the next token: a prompt, then what was generated.
struct History {
  std::span<const int32_t> tokens = {};
  size_t prompt_size = 0;

  std::span<const int32_t> generated() const { return tokens.subspan(prompt_size); }
};

/// The next token from `logits`, drawn by (sampling.seed, sequence, position); `forbidden` tokens
/// are never chosen. The same on every instruction set.
int32_t choose(std::span<const float> logits, const Sampling& sampling, const History& history,
               std::span<const int32_t> forbidden, uint64_t sequence, uint64_t position);

struct Sampled {
  int32_t token = 0;
  float logprob = 0;  ///< natural log of its probability before temperature, cuts and penalty
};

/// The same with the token's log-probability.
Sampled sample(std::span<const float> logits, const Sampling& sampling, const History& history,
               std::span<const int32_t> forbidden, uint64_t sequence, uint64_t position);

/// The ids of the `count` highest logits, descending, ties by id; of fewer where there are fewer.
std::vector<int32_t> most_probable_tokens(std::span<const float> logits, size_t count);

/// log Σ exp(logits): blocks of ops::kSoftmaxBlock terms summed in float32, the blocks in double;
/// within 2e-6, and the same bits on every instruction set.
double log_sum_exp(std::span<const float> logits);

}  // namespace octet::runtime

// Perplexity over windows of tokens, and the divergence from a reference run beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "device/thread_team.h"
#include "evaluate/divergence.h"
#include "evaluate/logit_source.h"
#include "evaluate/saved_logprobs.h"
#include "evaluate/windows.h"

namespace octet::evaluate {

struct PerplexityOptions {
  /// What to compare with, window by window; may be `source` itself, or null.
  LogitSource* reference = nullptr;
  LogprobWriter* save = nullptr;  ///< where to save the log-probabilities, or null
  bool keep_logprobs = false;     ///< fill Perplexity::logprobs
  /// Positions of the first window whose logits are wanted, ascending, inside it.
  std::span<const int64_t> logits_at = {};
  /// Called with the share of the tokens done, after each part. Throwing from it stops the run.
  std::function<void(double share)> progress = {};
};

/// How far q (the method) is from p (the reference).
struct Divergence {
  Mean kl;            ///< KL(p‖q) per token, nats
  double kl_p99 = 0;  ///< 99th percentile over tokens
  double top1_agreement = 0;
};

struct Perplexity {
  int64_t tokens = 0;  ///< predicted tokens
  int64_t windows = 0;
  Mean nll;  ///< per predicted token, nats
  std::optional<Divergence> divergence;
  std::vector<double> logprobs;            ///< of every predicted token, window after window
  std::vector<std::vector<float>> logits;  ///< of logits_at

  /// exp(mean nll) and, to first order, its standard error.
  double value() const;
  double standard_error() const;
};

/// Scores every window (each of at least two tokens) from its second token.
/// Throws Error when a token lies outside the vocabulary, when the reference's vocabulary or
/// windows differ, or when a token's probability is not a number.
Perplexity perplexity(device::ThreadTeam& team, LogitSource& source,
                      std::span<const Window> windows, const PerplexityOptions& options);

}  // namespace octet::evaluate

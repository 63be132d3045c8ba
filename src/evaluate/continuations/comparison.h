// Continuations of one method beside those of another, token by token.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "evaluate/continuations/checks.h"
#include "evaluate/continuations/prompts.h"

namespace octet::evaluate {

/// How two continuations of a prompt compare. A position is a token of either, or its end.
struct Comparison {
  int64_t positions = 0;                    ///< of the longer one
  int64_t equal = 0;                        ///< positions with the same token in both
  std::optional<int64_t> first_divergence;  ///< from 0; nothing when they are the same
  double agreement() const {
    return positions == 0 ? 1 : static_cast<double>(equal) / static_cast<double>(positions);
  }
};
Comparison compare(std::span<const int32_t> continuation, std::span<const int32_t> reference);

/// Over the prompts of a kind.
struct KindSummary {
  PromptKind kind = PromptKind::prose;
  int64_t prompts = 0;
  int64_t identical = 0;
  /// The middle one (of an even number the earlier of the two), where a continuation that never
  /// diverges counts as later than any; nothing when that is in the middle.
  std::optional<int64_t> median_divergence;
  double agreement = 0;  ///< the mean over prompts
  int64_t parses = 0;
  int64_t broken = 0;
  int64_t unfinished = 0;
  int64_t not_checked = 0;
};

/// One summary for each kind that there is, in the kinds' order. All have one entry a prompt.
std::vector<KindSummary> summarize(std::span<const Prompt> prompts,
                                   std::span<const Comparison> comparisons,
                                   std::span<const Check> checks);

}  // namespace octet::evaluate

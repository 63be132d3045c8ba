// Comparing continuations, and summing up over prompts.
#include "evaluate/continuations/comparison.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace octet::evaluate {

Comparison compare(std::span<const int32_t> continuation, std::span<const int32_t> reference) {
  Comparison result;
  const size_t both = std::min(continuation.size(), reference.size());
  result.positions = static_cast<int64_t>(std::max(continuation.size(), reference.size()));
  for (size_t i = 0; i < both; ++i) {
    if (continuation[i] == reference[i]) {
      ++result.equal;
    } else if (!result.first_divergence) {
      result.first_divergence = static_cast<int64_t>(i);
    }
  }
  if (!result.first_divergence && continuation.size() != reference.size())
    result.first_divergence = static_cast<int64_t>(both);
  return result;
}

std::vector<KindSummary> summarize(std::span<const Prompt> prompts,
                                   std::span<const Comparison> comparisons,
                                   std::span<const Check> checks) {
  OCTET_CHECK(prompts.size() == comparisons.size() && prompts.size() == checks.size());
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  std::vector<KindSummary> summaries;
  for (const PromptKind kind :
       {PromptKind::prose, PromptKind::python, PromptKind::json, PromptKind::code}) {
    KindSummary summary = {.kind = kind, .median_divergence = {}};
    std::vector<int64_t> divergences;
    for (size_t i = 0; i < prompts.size(); ++i) {
      if (prompts[i].kind != kind) continue;
      ++summary.prompts;
      summary.identical += comparisons[i].first_divergence ? 0 : 1;
      summary.agreement += comparisons[i].agreement();
      divergences.push_back(comparisons[i].first_divergence.value_or(kNever));
      summary.parses += checks[i] == Check::parses ? 1 : 0;
      summary.broken += checks[i] == Check::broken ? 1 : 0;
      summary.unfinished += checks[i] == Check::unfinished ? 1 : 0;
      summary.not_checked += checks[i] == Check::not_checked ? 1 : 0;
    }
    if (summary.prompts == 0) continue;
    summary.agreement /= static_cast<double>(summary.prompts);
    std::ranges::sort(divergences);
    const int64_t middle = divergences[(divergences.size() - 1) / 2];
    if (middle != kNever) summary.median_divergence = middle;
    summaries.push_back(summary);
  }
  return summaries;
}

}  // namespace octet::evaluate

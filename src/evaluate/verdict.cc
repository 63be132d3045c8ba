// Judging methods by what was measured.
#include "evaluate/verdict.h"

#include <fmt/core.h>

#include <algorithm>

namespace octet::evaluate {
namespace {

bool within(const MethodEvidence& evidence, const SafetyLimits& limits) {
  const double kl = evidence.kl.value + 2 * evidence.kl.standard_error;
  return evidence.perplexity_ratio <= limits.perplexity_ratio && kl <= limits.kl &&
         evidence.top1_agreement >= limits.top1_agreement;
}

bool keeps_structure(const MethodEvidence& evidence) {
  if (!evidence.texts || evidence.texts->in_reference < kTextsNeeded) return true;
  return static_cast<double>(evidence.texts->broken) <=
         kBrokenShare * static_cast<double>(evidence.texts->in_reference);
}

std::string limits_text(const SafetyLimits& limits) {
  return fmt::format(
      "perplexity at most {:.0f}% above that of 32 bits, KL divergence at most {} nats a token "
      "(mean and two standard errors), the same likeliest token at {:.0f}% of the positions or "
      "more",
      (limits.perplexity_ratio - 1) * 100, limits.kl, limits.top1_agreement * 100);
}

}  // namespace

std::string_view name(Safety safety) {
  switch (safety) {
    case Safety::safe:
      return "safe";
    case Safety::with_care:
      return "with care";
    case Safety::not_safe:
      break;
  }
  return "not safe";
}

Safety judge(const MethodEvidence& evidence) {
  if (within(evidence, kSafe) && keeps_structure(evidence)) return Safety::safe;
  return within(evidence, kWithCare) ? Safety::with_care : Safety::not_safe;
}

std::vector<std::string> safety_rules() {
  return {
      fmt::format("Safe: {}. Where {} texts or more parse in 16 bits, at most {:.0f}% of them may "
                  "be broken.",
                  limits_text(kSafe), kTextsNeeded, kBrokenShare * 100),
      fmt::format("With care: {}.", limits_text(kWithCare)), "Not safe: anything else.",
      "Recommended is the int8 method judged best; among equals the one that diverges least."};
}

std::optional<Recommendation> recommend(std::span<const MethodEvidence> evidence) {
  std::optional<Recommendation> best;
  for (size_t i = 0; i < evidence.size(); ++i) {
    if (!linear::is_int8(evidence[i].precision.method)) continue;
    const Safety safety = judge(evidence[i]);
    if (best &&
        (safety > best->safety ||
         (safety == best->safety && evidence[i].kl.value >= evidence[best->method].kl.value)))
      continue;
    best = Recommendation{.method = i, .safety = safety, .eight_bits_suffice = {}};
  }
  if (!best || evidence[best->method].precision.method != linear::Method::llm_int8) return best;
  for (const MethodEvidence& each : evidence) {
    if (each.precision.method == linear::Method::llm_int8 && each.precision.activation_bits == 8)
      best->eight_bits_suffice = judge(each) == best->safety;
  }
  return best;
}

}  // namespace octet::evaluate

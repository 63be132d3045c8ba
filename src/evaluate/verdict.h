// Is int8 safe for a model? Rules over what was measured, in one place, in words and numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluate/divergence.h"
#include "linear/precision.h"

namespace octet::evaluate {

/// Of the texts that parse as the 16-bit model writes them, those that do not any more.
struct ParsedTexts {
  int64_t in_reference = 0;
  int64_t broken = 0;
};

/// What is known of a method on a model, beside the 32-bit model.
struct MethodEvidence {
  linear::Precision precision;
  double perplexity_ratio = 1;  ///< the method's over the reference's
  Mean kl;                      ///< from the reference, nats a token
  double top1_agreement = 1;
  std::optional<ParsedTexts> texts = {};  ///< nothing when that was not tried
};

enum class Safety : uint8_t { safe, with_care, not_safe };
/// "safe", "with care", "not safe".
std::string_view name(Safety safety);

/// All of them have to hold. A divergence is judged by its upper end, two standard errors above the
/// mean.
struct SafetyLimits {
  double perplexity_ratio;
  double kl;
  double top1_agreement;
};
/// The paper's LLM.int8() rows lie up to 0.7% above 32 bits (25.83 for 25.65), and llama.cpp's
/// Q8_0, widely taken for lossless, has .0036 on SmolLM2.
inline constexpr SafetyLimits kSafe = {1.01, 0.005, 0.95};
inline constexpr SafetyLimits kWithCare = {1.03, 0.05, 0.90};

/// From so many texts on that parse in 16 bits, a method that breaks more than this share of them
/// is safe with care at best. (Fewer say nothing: a near tie that falls the other way changes all
/// that follows, in any arithmetic.)
inline constexpr int64_t kTextsNeeded = 4;
inline constexpr double kBrokenShare = 0.25;
Safety judge(const MethodEvidence& evidence);

/// The rules as a page states them.
std::vector<std::string> safety_rules();

/// Which of the int8 methods to use.
struct Recommendation {
  size_t method = 0;  ///< index into the evidence
  Safety safety = Safety::not_safe;
  /// Of llm-int8, where it was tried with 8 bits of activations: whether these are judged as well.
  std::optional<bool> eight_bits_suffice = {};
};
/// The int8 method with the best judgement, among equals the one with the smallest divergence.
/// Nothing when there is no int8 method.
std::optional<Recommendation> recommend(std::span<const MethodEvidence> evidence);

}  // namespace octet::evaluate

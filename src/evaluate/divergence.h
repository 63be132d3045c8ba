// What one row of logits says about the token that follows, and about a reference row; and the
// statistics over all rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace octet::evaluate {

/// log Σ exp(logits) in double, in index order; what decoding uses (runtime/sampler.h) is faster
/// and rounds in float32.
double log_sum_exp(std::span<const float> logits);

/// All in nats, computed in double.
struct RowScore {
  double nll = 0;  ///< −log softmax(logits)[target]
  /// KL(p‖q) = Σ p·(log p − log q), p = softmax(reference), q = softmax(logits); 0 without one.
  double kl = 0;
  bool same_top = false;  ///< both rows have the same argmax (the lowest index among equals)
};

/// Scores a row against the token that followed it, and against `reference` unless that is empty.
/// Rows are logits up to a constant each; −inf is a probability of 0.
RowScore score_row(std::span<const float> logits, int32_t target,
                   std::span<const float> reference = {});

/// Index of the largest value, the lowest among equals.
int64_t argmax(std::span<const float> row);

struct Mean {
  double value = 0;
  double standard_error = 0;  ///< √(sample variance / n); 0 for fewer than two values
};
Mean mean_of(std::span<const double> values);

/// The value below or at which the share `quantile` of the values lies (nearest rank).
double quantile_of(std::vector<double> values, double quantile);

}  // namespace octet::evaluate

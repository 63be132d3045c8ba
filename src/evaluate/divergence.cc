// Scoring rows of logits in double precision.
#include "evaluate/divergence.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octet::evaluate {

int64_t argmax(std::span<const float> row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

double log_sum_exp(std::span<const float> logits) {
  const double highest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - highest);
  return highest + std::log(sum);
}

RowScore score_row(std::span<const float> logits, int32_t target,
                   std::span<const float> reference) {
  OCTET_CHECK(target >= 0 && static_cast<size_t>(target) < logits.size());
  RowScore score;
  const double log_sum = log_sum_exp(logits);
  score.nll = log_sum - static_cast<double>(logits[target]);
  if (reference.empty()) return score;

  OCTET_CHECK(reference.size() == logits.size());
  const double reference_log_sum = log_sum_exp(reference);
  double kl = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - reference_log_sum;
    const double p = std::exp(log_p);
    if (p > 0) kl += p * (log_p - (static_cast<double>(logits[i]) - log_sum));
  }
  score.kl = std::max(kl, 0.0);  // a divergence is never negative; rounding may say so
  score.same_top = argmax(logits) == argmax(reference);
  return score;
}

Mean mean_of(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  if (values.empty()) return {};
  double sum = 0;
  for (double value : values) sum += value;
  const double mean = sum / count;
  if (values.size() < 2) return {.value = mean, .standard_error = 0};
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  return {.value = mean, .standard_error = std::sqrt(squares / (count - 1) / count)};
}

double quantile_of(std::vector<double> values, double quantile) {
  OCTET_CHECK(!values.empty() && quantile > 0 && quantile <= 1);
  const auto rank = static_cast<int64_t>(std::ceil(quantile * static_cast<double>(values.size())));
  const auto nth = values.begin() + std::max<int64_t>(rank - 1, 0);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

}  // namespace octet::evaluate

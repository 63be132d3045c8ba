// Running the cells of a sweep.
#include "cli/sweep_cells.h"

#include <fmt/core.h>

#include "base/error.h"

namespace octet::cli {

std::vector<int32_t> spread_dimensions(int64_t count, int64_t hidden) {
  if (count > hidden)
    fail("--count {}: the hidden state has {} dimensions; plant into fewer", count, hidden);
  std::vector<int32_t> dimensions;
  for (int64_t i = 0; i < count; ++i)
    dimensions.push_back(static_cast<int32_t>((2 * i + 1) * hidden / (2 * count)));
  return dimensions;
}

std::vector<linear::Precision> sweep_methods(const CommonOptions& options) {
  using linear::Method;
  std::vector<linear::Precision> precisions;
  for (const Method method : {Method::fp32, Method::absmax, Method::absmax_vectorwise,
                              Method::zeropoint_vectorwise, Method::llm_int8})
    precisions.push_back(precision_of(options, method));
  precisions.back().activation_bits = 8;
  precisions.push_back(precision_of(options, Method::llm_int8));
  return precisions;
}

void run_sweep(TextScorer& scorer, const std::vector<linear::Precision>& precisions, Sweep& sweep) {
  const size_t total = precisions.size() * sweep.gains.size();
  size_t number = 0;
  for (const linear::Precision& precision : precisions) {
    SweepRow row = {.precision = precision, .cells = {}};
    for (const int64_t gain : sweep.gains) {
      row.cells.push_back(scorer.score(
          precision, {.dimensions = sweep.dimensions, .gain = static_cast<float>(gain)},
          fmt::format("{} of {}: ", ++number, total)));
    }
    sweep.rows.push_back(std::move(row));
  }
}

}  // namespace octet::cli

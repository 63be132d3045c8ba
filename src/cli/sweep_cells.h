// The grid of a sweep: gains of planted outliers × methods, and its cells one by one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/perplexity_report.h"
#include "cli/text_scorer.h"

namespace octet::cli {

/// A method over all gains.
struct SweepRow {
  linear::Precision precision;
  std::vector<Row> cells;  ///< one a gain
};

struct Sweep {
  std::string model;
  std::string file;
  std::string reference;            ///< the method compared with, on the model as it is
  std::vector<int32_t> dimensions;  ///< that outliers are planted into
  std::vector<int64_t> gains;       ///< rising
  std::vector<SweepRow> rows;
};

/// How many dimensions outliers are planted into by default: as many as the paper finds at 6.7B.
inline constexpr int64_t kSweepDimensions = 6;

/// Dimensions spread evenly: (2i + 1) · hidden / (2 · count), rounded down. Throws Error when there
/// are not so many.
std::vector<int32_t> spread_dimensions(int64_t count, int64_t hidden);

/// What the phase transition is told by: fp32, absmax, both vector-wise methods, llm-int8 with 8
/// and 16 bits.
std::vector<linear::Precision> sweep_methods(const CommonOptions& options);

/// Scores every cell; fills sweep.rows.
void run_sweep(TextScorer& scorer, const std::vector<linear::Precision>& precisions, Sweep& sweep);

}  // namespace octet::cli

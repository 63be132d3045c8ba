// Outlier features by the paper's criterion, and bitsandbytes' variant of the row scale.
#include "quant/decomposition.h"

#include <algorithm>
#include <cmath>

namespace octet::quant {

std::vector<int32_t> outlier_columns(tensor::MatrixView<const float> x, float alpha) {
  std::vector<int32_t> columns;
  if (alpha == 0) return columns;
  for (int64_t i = 0; i < x.columns; ++i) {
    for (int64_t r = 0; r < x.rows; ++r) {
      if (std::fabs(x.row(r)[i]) >= alpha) {
        columns.push_back(static_cast<int32_t>(i));
        break;
      }
    }
  }
  return columns;
}

float bitsandbytes_row_scale(std::span<const float> row, float alpha) {
  float scale = 0;
  for (float value : row) {
    const float magnitude = std::fabs(value);
    if (alpha == 0 || magnitude < alpha) scale = std::max(scale, magnitude);
  }
  return scale;
}

}  // namespace octet::quant

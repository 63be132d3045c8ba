// Mixed-precision decomposition (LLM.int8(), Sec. 3.2): which features are outliers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/view.h"

namespace octet::quant {

/// Eq. 8: O = { i : some |x[·, i]| ≥ α }, ascending. α = 0 turns decomposition off: none.
std::vector<int32_t> outlier_columns(tensor::MatrixView<const float> x, float alpha);

/// bitsandbytes' scale of a row: the largest magnitude below α, where sub-threshold values of
/// outlier columns count; α = 0: the largest magnitude.
float bitsandbytes_row_scale(std::span<const float> row, float alpha);

}  // namespace octet::quant

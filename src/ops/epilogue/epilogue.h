// From int32 sums to the layer's float output, one rounding order for every instruction set.
#pragma once

#include <cstdint>
#include <span>

#include "ops/registry.h"

namespace octet::ops {

/// For one output row and columns [0, columns):
///   one plane:  v = float(sums[n]) · row_factor  [+ float(second[n]) · second_factor]
///   two planes: v = float(128 · sums[n] + second[n]) · row_factor   (the integer exactly, in
///   64-bit
///               integer or double, then one rounding to float)
///   y = v · column_factors[n]  [+ kept[n]]  [+ bias[n]]  [+ residual[n]]
/// each operation rounded to float32 in this order, nothing fused. Row factor: c/127 (c/16256 for
/// two planes), column factor: c_w/127 (LLM.int8(), Eq. 7).
struct EpilogueArgs {
  int planes = 1;
  const int32_t* sums = nullptr;
  const int32_t* second = nullptr;  ///< extra row (one plane; may be null) or lo plane
  float row_factor = 0;
  float second_factor = 0;
  const float* column_factors = nullptr;
  const float* kept = nullptr;      ///< product of the 16-bit outlier columns, or null
  const float* bias = nullptr;      ///< or null
  const float* residual = nullptr;  ///< or null; may be the same memory as out
  int64_t columns = 0;              ///< any number
  float* out = nullptr;
};

using EpilogueFunction = void(const EpilogueArgs&);

std::span<const Kernel<EpilogueFunction>> epilogue_kernels();

}  // namespace octet::ops

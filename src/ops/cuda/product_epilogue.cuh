// What turns a tensor core's sums into outputs, in the order that ops/cuda/product.h has.
#pragma once

#include "ops/cuda/launch.cuh"
#include "ops/cuda/mma.cuh"
#include "ops/cuda/product.h"

namespace octet::ops::cuda {

/// How the rows of one tensor-core result belong to activation rows.
template <Element kElement, int kPlanes>
struct SumsOf {
  using Sum = typename Accumulator<kElement>::Type;
  /// sum · row factor, from the first and second plane's sums.
  __device__ static float scaled(Sum first, Sum second, float factor) {
    if constexpr (kElement == Element::s8 && kPlanes == 2) {
      return __ll2float_rn(static_cast<long long>(first) * 128 + second) * factor;
    } else if constexpr (kElement == Element::s8) {
      return static_cast<float>(first) * factor;
    } else {
      return (kPlanes == 2 ? first + second : first) * factor;
    }
  }
};

__device__ inline void finish(const ProductEpilogue& e, float value, float kept, int64_t row,
                              int64_t column) {
  if (e.extra_slots != nullptr) {
    const int32_t slot = e.extra_slots[row];
    if (slot >= 0) {
      value +=
          static_cast<float>(e.extra_sums[slot * e.extra_stride + column]) * e.extra_factors[row];
    }
  }
  if (e.column_factors != nullptr) value *= e.column_factors[column];
  if (e.kept_a != nullptr) value += kept * e.kept_scales[row];
  if (e.bias != nullptr) value += e.bias[column];
  if (e.residual != nullptr) value += e.residual[row * e.residual_stride + column];
  e.out[row * e.out_stride + column] = value;
}

/// The product of the kept columns of 8 rows (`group`) and 8 outputs from `column` on; the lane's
/// are row group·8 + lane/4 and outputs column + 2·(lane % 4) and the next one.
__device__ inline float2 kept_product(const ProductEpilogue& e, int64_t group, int64_t column) {
  const int lane = threadIdx.x % 32;
  const int64_t offset = lane % 4 * 8;
  const uint16_t* a = e.kept_a + (group * 16 + lane / 4) * e.kept_k + offset;
  const uint16_t* b = e.kept_b + (column + lane / 4) * e.kept_k + offset;
  float c[4] = {0, 0, 0, 0};
  for (int64_t k = 0; k < e.kept_k; k += 32) {
    const uint4 low = *reinterpret_cast<const uint4*>(a + k);
    const uint4 high = *reinterpret_cast<const uint4*>(a + 8 * e.kept_k + k);
    const uint4 weights = __ldg(reinterpret_cast<const uint4*>(b + k));
    if (e.kept_type == SixteenBit::f16) {
      multiply_step<Element::f16>(c, low, high, weights);
    } else {
      multiply_step<Element::bf16>(c, low, high, weights);
    }
  }
  return {c[0] + c[2], c[1] + c[3]};
}

/// Writes what a warp has of a tensor-core result: of the code rows from first_row on, a multiple
/// of 16, and 8 outputs; `rows` activation rows are there.
template <Element kElement, int kPlanes>
__device__ __forceinline__ void finish_fragment(
    const Product& p, int64_t rows, int64_t first_row, int64_t first_column,
    const typename Accumulator<kElement>::Type (&sums)[4]) {
  if (first_column >= p.columns) return;
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2 / kPlanes; ++half) {
    const int64_t group = kPlanes == 2 ? first_row / 16 : first_row / 8 + half;
    if (group * 8 >= rows) continue;
    const int64_t row = group * 8 + lane / 4;
    float2 kept = {0, 0};
    if (p.epilogue.kept_a != nullptr) kept = kept_product(p.epilogue, group, first_column);
    if (row >= rows) continue;
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      const int64_t column = first_column + lane % 4 * 2 + n;
      if (column >= p.columns) continue;
      if constexpr (kElement == Element::s8 && kPlanes == 1) {
        if (p.epilogue.sums != nullptr) {
          p.epilogue.sums[row * p.epilogue.out_stride + column] = sums[half * 2 + n];
          continue;
        }
      }
      const float value = SumsOf<kElement, kPlanes>::scaled(sums[half * 2 + n], sums[2 + n],
                                                            p.epilogue.row_factors[row]);
      finish(p.epilogue, value, n == 0 ? kept.x : kept.y, row, column);
    }
  }
}

}  // namespace octet::ops::cuda

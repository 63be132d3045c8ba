// Products of float32 rows and weights on a GPU: for `--method fp32`, the reference.
#pragma once

#include <cstdint>

#include "device/gpu_memory.h"

namespace octet::ops::cuda {

/// out[r][n] = Σ_k a[r][k]·b[n][k] + bias[n] + residual[r][n]; one chain of fused multiply-adds
/// over rising k, then the sums. bias and residual may be null; residual may be out.
struct Product32 {
  const float* a = nullptr;  ///< [rows, k]
  int64_t rows = 0;
  const float* b = nullptr;  ///< [columns, k]
  int64_t k = 0;
  int64_t columns = 0;
  const float* bias = nullptr;
  const float* residual = nullptr;
  int64_t residual_stride = 0;
  float* out = nullptr;
  int64_t out_stride = 0;
};
void product32(const Product32& product, device::Stream stream);

}  // namespace octet::ops::cuda

// Layer normalisation and root-mean-square normalisation of rows.
#pragma once

#include <cstdint>
#include <span>

#include "ops/registry.h"

namespace octet::ops {

/// One row. Sums run over 16 lanes (lane i takes elements i, i+16, …, fused multiply-add for
/// squares), then the lanes as a tree (i + i+8, +4, +2, +1).
/// rms:   y = x · (1 / sqrt(mean(x²) + epsilon)) · (weight + weight_offset)
/// layer: m = mean(x); d = x − m; y = d · (1 / sqrt(mean(d²) + epsilon)) · weight + bias
/// Products and sums rounded one by one. weight and bias may be null (1 and 0).
struct NormArgs {
  const float* x = nullptr;
  int64_t columns = 0;
  const float* weight = nullptr;
  const float* bias = nullptr;
  float weight_offset = 0;
  float epsilon = 0;
  bool subtract_mean = false;  ///< false: rms, true: layer
  float* out = nullptr;        ///< may be x
};

using NormFunction = void(const NormArgs&);

std::span<const Kernel<NormFunction>> norm_kernels();

}  // namespace octet::ops

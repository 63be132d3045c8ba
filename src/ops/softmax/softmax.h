// Weights of a softmax over a long row, such as the logits of a vocabulary.
#pragma once

#include <cstdint>
#include <span>

#include "ops/registry.h"

namespace octet::ops {

/// Elements of a row that are summed in float32, before double takes over.
inline constexpr int64_t kSoftmaxBlock = 256;

/// weight[i] = e^((x[i] − highest) · scale) for i in [0, count), each operation rounded by itself,
/// e^ as simd/math.h defines it: 1 at the highest, 0 at −∞ and where the exponent is below −86.99.
/// sums[b] = Σ weight of [b·kSoftmaxBlock, (b + 1)·kSoftmaxBlock), over 16 lanes (lane i takes
/// elements i, i+16, …), then the lanes as a tree (i + i+8, +4, +2, +1).
struct SoftmaxArgs {
  const float* x = nullptr;
  int64_t count = 0;
  float highest = 0;         ///< of the row; finite
  float scale = 1;           ///< 1 / temperature
  float* weights = nullptr;  ///< [count], or null
  float* sums = nullptr;     ///< [⌈count / kSoftmaxBlock⌉]
};

using SoftmaxFunction = void(const SoftmaxArgs&);

std::span<const Kernel<SoftmaxFunction>> softmax_kernels();

}  // namespace octet::ops

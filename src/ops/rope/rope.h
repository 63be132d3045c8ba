// Rotary position embedding of query and key heads.
#pragma once

#include <cstdint>
#include <span>

#include "ops/registry.h"

namespace octet::ops {

/// Rotates the first `rotary_dim` dimensions of each of `heads` heads of one row, in place:
/// pairs (i, i + rotary_dim/2) or, interleaved, (2i, 2i+1):
///   a' = a·cos[i] − b·sin[i];  b' = b·cos[i] + a·sin[i]
/// each product and sum rounded by itself. cos, sin: [rotary_dim/2] of the row's position.
struct RopeArgs {
  float* x = nullptr;  ///< head h at x + h·head_dim
  int64_t heads = 0;
  int64_t head_dim = 0;
  int64_t rotary_dim = 0;
  bool interleaved = false;
  const float* cos = nullptr;
  const float* sin = nullptr;
};

using RopeFunction = void(const RopeArgs&);

std::span<const Kernel<RopeFunction>> rope_kernels();

/// cos and sin of `angle` ≥ 0 (radians, up to 1e7), computed in double without libm so that every
/// machine gives the same bits, rounded to float.
void cos_sin(double angle, float* cos, float* sin);

}  // namespace octet::ops

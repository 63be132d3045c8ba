// The elementary functions and the lane operations over arrays, per instruction set: for callers
// without a kernel of their own, and for the test that compares the instruction sets.
#pragma once

#include <cstdint>
#include <span>

#include "ops/registry.h"

namespace octet::ops {

enum class Elementary : uint8_t { exp, sigmoid, tanh, erf };

/// out[i] = function(x[i]) for i in [0, count), as simd/math.h defines it. out may be x.
struct MapArgs {
  Elementary function = Elementary::exp;
  const float* x = nullptr;
  int64_t count = 0;
  float* out = nullptr;
};

using MapFunction = void(const MapArgs&);

std::span<const Kernel<MapFunction>> map_kernels();

/// Results of every lane operation (simd/lanes.h) on one set of lanes, as bit patterns.
struct LaneResults {
  static constexpr int kOperations = 36;
  uint32_t lanes[kOperations][16];
};

/// Applies every lane operation to a, b, c (16 floats each), halves (16 patterns) and partial
/// counts of `count` lanes, 0 ≤ count ≤ 16.
struct LaneArgs {
  const float* a = nullptr;
  const float* b = nullptr;
  const float* c = nullptr;
  const uint16_t* halves = nullptr;
  int64_t count = 0;
  LaneResults* results = nullptr;
};

using LaneFunction = void(const LaneArgs&);

std::span<const Kernel<LaneFunction>> lane_kernels();

}  // namespace octet::ops

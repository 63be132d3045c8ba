// Rotary position embedding of one row, as a template over the lane type.
#pragma once

#include "ops/rope/rope.h"
#include "ops/simd/lanes.h"

namespace octet::ops::simd {

/// Rotates `count` ≤ 16 pairs (first[i], second[i]).
template <typename V>
OCTET_LANES void rotate(float* first, float* second, const float* cos, const float* sin,
                        int64_t count) {
  const V a = V::load_partial(first, count);
  const V b = V::load_partial(second, count);
  const V c = V::load_partial(cos, count);
  const V s = V::load_partial(sin, count);
  (a * c - b * s).store_partial(first, count);
  (b * c + a * s).store_partial(second, count);
}

/// Rotates `count` ≤ 16 pairs (x[2i], x[2i+1]).
template <typename V>
OCTET_LANES void rotate_interleaved(float* x, const float* cos, const float* sin, int64_t count) {
  float first[kLanes];
  float second[kLanes];
  for (int64_t i = 0; i < count; ++i) {
    first[i] = x[2 * i];
    second[i] = x[2 * i + 1];
  }
  rotate<V>(first, second, cos, sin, count);
  for (int64_t i = 0; i < count; ++i) {
    x[2 * i] = first[i];
    x[2 * i + 1] = second[i];
  }
}

template <typename V>
OCTET_LANES void rope(const RopeArgs& args) {
  const int64_t half = args.rotary_dim / 2;
  for (int64_t head = 0; head < args.heads; ++head) {
    float* x = args.x + head * args.head_dim;
    for (int64_t i = 0; i < half; i += kLanes) {
      const int64_t count = half - i < kLanes ? half - i : kLanes;
      if (args.interleaved) {
        rotate_interleaved<V>(x + 2 * i, args.cos + i, args.sin + i, count);
      } else {
        rotate<V>(x + i, x + half + i, args.cos + i, args.sin + i, count);
      }
    }
  }
}

}  // namespace octet::ops::simd

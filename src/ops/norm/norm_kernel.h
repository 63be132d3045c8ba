// Normalisation of one row, as a template over the lane type.
#pragma once

#include "ops/norm/norm.h"
#include "ops/simd/lanes.h"

namespace octet::ops::simd {

/// Σ x over 16 lanes, then the lanes as a tree.
template <typename V>
OCTET_LANES float row_sum(const float* x, int64_t columns) {
  V sum = V::zero();
  int64_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) sum = sum + V::load(x + i);
  if (i < columns) sum = sum + V::load_partial(x + i, columns - i);
  return reduce_add(sum);
}

/// Σ (x − center)², lanes as in row_sum. Lanes beyond the row add +0, which changes no sum: a sum
/// of squares is never -0.
template <typename V>
OCTET_LANES float row_sum_of_squares(const float* x, int64_t columns, V center) {
  V sum = V::zero();
  int64_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) {
    const V d = V::load(x + i) - center;
    sum = fma(d, d, sum);
  }
  if (i < columns) {
    const V d = keep_first(V::load_partial(x + i, columns - i) - center, columns - i);
    sum = fma(d, d, sum);
  }
  return reduce_add(sum);
}

/// out = (x − center) · scale · weight + bias for the `count` elements from `i` on.
template <typename V>
OCTET_LANES void normalise(const NormArgs& args, int64_t i, int64_t count, V center, V scale) {
  V y = (V::load_partial(args.x + i, count) - center) * scale;
  if (args.subtract_mean) {
    if (args.weight != nullptr) y = y * V::load_partial(args.weight + i, count);
    if (args.bias != nullptr) y = y + V::load_partial(args.bias + i, count);
  } else {
    const V weight =
        args.weight != nullptr ? V::load_partial(args.weight + i, count) : V::broadcast(1.0f);
    y = y * (weight + V::broadcast(args.weight_offset));
  }
  y.store_partial(args.out + i, count);
}

template <typename V>
OCTET_LANES void norm(const NormArgs& args) {
  if (args.columns <= 0) return;
  const auto columns = static_cast<float>(args.columns);
  // Subtracting +0 leaves every x as it is, so rms is the same formula with no mean.
  const float mean = args.subtract_mean ? row_sum<V>(args.x, args.columns) / columns : 0.0f;
  const V center = V::broadcast(mean);
  const float mean_square = row_sum_of_squares(args.x, args.columns, center) / columns;
  const V scale = V::broadcast(1.0f) / sqrt(V::broadcast(mean_square + args.epsilon));
  int64_t i = 0;
  for (; i + kLanes <= args.columns; i += kLanes) normalise(args, i, kLanes, center, scale);
  if (i < args.columns) normalise(args, i, args.columns - i, center, scale);
}

}  // namespace octet::ops::simd

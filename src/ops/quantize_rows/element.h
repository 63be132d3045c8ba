// The arithmetic of one element, for the scalar kernels and the ends of rows in the others.
//
// Everything is static: each instruction set compiles its own copy.
#pragma once

#include <cstdint>

#include "ops/quantize_rows/quantize_rows.h"

namespace octet::ops {

static inline int32_t float_bits(float value) {
  int32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static inline float float_of_bits(int32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

// Magnitudes are compared as integers, where a NaN is larger than infinity.
static inline int32_t magnitude_bits(float value) {
  return float_bits(value) & 0x7fffffff;
}

// Magnitude bits from which on an element is a leftover; without threshold none is.
static inline bool is_leftover(int32_t magnitude, float threshold) {
  return threshold > 0 && magnitude >= float_bits(threshold);
}

// (1/c)·Q, or 0, which makes all codes 0, when that is not finite or c is not.
static inline float quantization_scale(float c, float largest_code) {
  const float scale = (1.0f / c) * largest_code;
  return magnitude_bits(scale) < 0x7f800000 ? scale : 0.0f;
}

// rint(x · scale), clamped. The comparisons are those of minps and maxps, NaN included.
static inline int32_t quantize(float x, float scale, float largest_code) {
  if (scale == 0) return 0;
  float value = x * scale;
  value = value < largest_code ? value : largest_code;
  value = value > -largest_code ? value : -largest_code;
  return static_cast<int32_t>(__builtin_nearbyintf(value));
}

// q = 128·hi + lo, lo in [−64, 63].
static inline int32_t high_plane(int32_t q) {
  return (q + 64) >> 7;
}

struct QuantizeScales {
  float row = 0;
  float leftover = 0;
};

static inline QuantizeScales quantize_scales(const QuantizeRowArgs& args) {
  return {.row = quantization_scale(args.row_max, args.planes == 1 ? kOnePlaneMax : kTwoPlanesMax),
          .leftover = quantization_scale(args.leftover_max, kOnePlaneMax)};
}

// Columns [from, to) of a row.
static inline void quantize_elements(const QuantizeRowArgs& args, const QuantizeScales& scales,
                                     int64_t from, int64_t to) {
  for (int64_t i = from; i < to; ++i) {
    const bool admitted = args.column_mask == nullptr || args.column_mask[i] != 0;
    const float x = admitted ? args.x[i] : 0.0f;
    if (args.planes == 2) {
      const int32_t q = quantize(x, scales.row, kTwoPlanesMax);
      const int32_t high = high_plane(q);
      args.codes[i] = static_cast<int8_t>(high);
      args.second[i] = static_cast<int8_t>(q - high * 128);
      continue;
    }
    const bool leftover = is_leftover(magnitude_bits(x), args.threshold);
    args.codes[i] = static_cast<int8_t>(leftover ? 0 : quantize(x, scales.row, kOnePlaneMax));
    if (args.second == nullptr) continue;
    args.second[i] = static_cast<int8_t>(leftover ? quantize(x, scales.leftover, kOnePlaneMax) : 0);
  }
}

static inline void zero_padding(const QuantizeRowArgs& args) {
  const int64_t padding = args.padded_columns - args.columns;
  if (padding <= 0) return;
  __builtin_memset(args.codes + args.columns, 0, static_cast<size_t>(padding));
  if (args.second != nullptr) {
    __builtin_memset(args.second + args.columns, 0, static_cast<size_t>(padding));
  }
}

}  // namespace octet::ops

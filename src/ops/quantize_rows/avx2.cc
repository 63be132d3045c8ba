// Row maxima and int8 codes with AVX2.
#include <immintrin.h>

#include "ops/quantize_rows/element.h"

namespace octet::ops {
namespace {

__m256i load_integers(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// Magnitude bits of eight elements, 0 where the mask does not admit them.
__m256i load_magnitudes(const float* x, const uint32_t* mask) {
  const __m256i magnitudes = _mm256_and_si256(load_integers(x), _mm256_set1_epi32(0x7fffffff));
  return mask == nullptr ? magnitudes : _mm256_and_si256(magnitudes, load_integers(mask));
}

int32_t largest_of(__m256i values) {
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return _mm_cvtsi128_si32(four);
}

void row_maxima(const RowMaximaArgs& args, int64_t row) {
  const float* x = args.x + row * args.x_stride;
  // Without a threshold every magnitude lies below the limit, a NaN of all ones excepted, which
  // max(row, leftover) puts right.
  const __m256i limit =
      _mm256_set1_epi32(args.threshold > 0 ? float_bits(args.threshold) : 0x7fffffff);
  __m256i row_max = _mm256_setzero_si256();
  __m256i leftover_max = _mm256_setzero_si256();
  int64_t i = 0;
  for (; i + 8 <= args.columns; i += 8) {
    const uint32_t* mask = args.column_mask == nullptr ? nullptr : args.column_mask + i;
    const __m256i magnitudes = load_magnitudes(x + i, mask);
    const __m256i below = _mm256_cmpgt_epi32(limit, magnitudes);
    row_max = _mm256_max_epi32(row_max, _mm256_and_si256(below, magnitudes));
    leftover_max = _mm256_max_epi32(leftover_max, _mm256_andnot_si256(below, magnitudes));
  }
  int32_t row_bits = largest_of(row_max);
  int32_t leftover_bits = largest_of(leftover_max);
  if (!(args.threshold > 0)) {
    row_bits = row_bits > leftover_bits ? row_bits : leftover_bits;
    leftover_bits = 0;
  }
  for (; i < args.columns; ++i) {
    if (args.column_mask != nullptr && args.column_mask[i] == 0) continue;
    const int32_t magnitude = magnitude_bits(x[i]);
    int32_t& largest = is_leftover(magnitude, args.threshold) ? leftover_bits : row_bits;
    if (magnitude > largest) largest = magnitude;
  }
  args.row_max[row] = float_of_bits(row_bits);
  if (args.leftover_max != nullptr) args.leftover_max[row] = float_of_bits(leftover_bits);
}

// rint(x · scale), clamped, where `keep` is set; 0 elsewhere.
__m256i quantize(__m256 x, __m256 scale, __m256 largest_code, __m256i keep) {
  __m256 value = _mm256_mul_ps(x, scale);
  value = _mm256_min_ps(value, largest_code);
  value = _mm256_max_ps(value, _mm256_sub_ps(_mm256_setzero_ps(), largest_code));
  return _mm256_and_si256(_mm256_cvtps_epi32(value), keep);
}

// 32 integers in [−128, 127] to bytes, in order.
void store_bytes(const __m256i (&values)[4], int8_t* to) {
  const __m256i first = _mm256_packs_epi32(values[0], values[1]);
  const __m256i second = _mm256_packs_epi32(values[2], values[3]);
  const __m256i bytes = _mm256_packs_epi16(first, second);  // fours in the order 0 2 4 6 1 3 5 7
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permutevar8x32_epi32(bytes, order));
}

__m256i all_if(bool condition) {
  return _mm256_set1_epi32(condition ? -1 : 0);
}

__m256i admitted(const QuantizeRowArgs& args, int64_t i) {
  return args.column_mask == nullptr ? all_if(true) : load_integers(args.column_mask + i);
}

void one_plane(const QuantizeRowArgs& args, const QuantizeScales& scales, int64_t end) {
  const __m256 row_scale = _mm256_set1_ps(scales.row);
  const __m256 leftover_scale = _mm256_set1_ps(scales.leftover);
  const __m256 largest_code = _mm256_set1_ps(kOnePlaneMax);
  const __m256i limit =
      _mm256_set1_epi32(args.threshold > 0 ? float_bits(args.threshold) : 0x7fffffff);
  const __m256i no_limit = all_if(!(args.threshold > 0));
  for (int64_t i = 0; i < end; i += 32) {
    __m256i codes[4];
    __m256i second[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m256 x = _mm256_loadu_ps(args.x + i + j * 8);
      const __m256i magnitudes = load_magnitudes(args.x + i + j * 8, nullptr);
      const __m256i below = _mm256_or_si256(_mm256_cmpgt_epi32(limit, magnitudes), no_limit);
      const __m256i mask = admitted(args, i + j * 8);
      codes[j] = quantize(x, row_scale, largest_code,
                          _mm256_and_si256(_mm256_and_si256(mask, below), all_if(scales.row != 0)));
      second[j] = quantize(
          x, leftover_scale, largest_code,
          _mm256_and_si256(_mm256_andnot_si256(below, mask), all_if(scales.leftover != 0)));
    }
    store_bytes(codes, args.codes + i);
    if (args.second != nullptr) store_bytes(second, args.second + i);
  }
}

void two_planes(const QuantizeRowArgs& args, const QuantizeScales& scales, int64_t end) {
  const __m256 scale = _mm256_set1_ps(scales.row);
  const __m256 largest_code = _mm256_set1_ps(kTwoPlanesMax);
  for (int64_t i = 0; i < end; i += 32) {
    __m256i high[4];
    __m256i low[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m256i keep = _mm256_and_si256(admitted(args, i + j * 8), all_if(scales.row != 0));
      const __m256i q = quantize(_mm256_loadu_ps(args.x + i + j * 8), scale, largest_code, keep);
      high[j] = _mm256_srai_epi32(_mm256_add_epi32(q, _mm256_set1_epi32(64)), 7);
      low[j] = _mm256_sub_epi32(q, _mm256_slli_epi32(high[j], 7));
    }
    store_bytes(high, args.codes + i);
    store_bytes(low, args.second + i);
  }
}

}  // namespace

void row_maxima_avx2(const RowMaximaArgs& args) {
  for (int64_t r = 0; r < args.rows; ++r) row_maxima(args, r);
}

void quantize_row_avx2(const QuantizeRowArgs& args) {
  const QuantizeScales scales = quantize_scales(args);
  const int64_t end = args.columns / 32 * 32;
  if (args.planes == 2) {
    two_planes(args, scales, end);
  } else {
    one_plane(args, scales, end);
  }
  quantize_elements(args, scales, end, args.columns);
  zero_padding(args);
}

}  // namespace octet::ops

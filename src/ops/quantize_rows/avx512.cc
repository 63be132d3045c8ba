// Row maxima and int8 codes with AVX-512.
#include <immintrin.h>

#include "ops/quantize_rows/element.h"

namespace octet::ops {
namespace {

// The lanes of columns i … i + 15 that exist and that the mask admits.
__mmask16 admitted(const uint32_t* mask, int64_t i, int64_t columns) {
  const int64_t left = columns - i;
  const auto lanes = static_cast<__mmask16>(left >= 16 ? 0xffff : (1 << left) - 1);
  if (mask == nullptr) return lanes;
  const __m512i words = _mm512_maskz_loadu_epi32(lanes, mask + i);
  return _mm512_test_epi32_mask(words, words);
}

__m512i magnitudes_of(__m512 x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

// The lanes below the threshold; all without one.
__mmask16 below_limit(__m512 x, float threshold) {
  if (!(threshold > 0)) return 0xffff;
  return _mm512_cmplt_epi32_mask(magnitudes_of(x), _mm512_set1_epi32(float_bits(threshold)));
}

int32_t largest_of(__m512i values) {
  const __m256i eight = _mm256_max_epi32(_mm512_maskz_extracti64x4_epi64(0xff, values, 0),
                                         _mm512_maskz_extracti64x4_epi64(0xff, values, 1));
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return _mm_cvtsi128_si32(four);
}

void row_maxima(const RowMaximaArgs& args, int64_t row) {
  const float* x = args.x + row * args.x_stride;
  __m512i row_max = _mm512_setzero_si512();
  __m512i leftover_max = _mm512_setzero_si512();
  for (int64_t i = 0; i < args.columns; i += 16) {
    const __mmask16 lanes = admitted(args.column_mask, i, args.columns);
    const __m512 values = _mm512_maskz_loadu_ps(lanes, x + i);
    const __mmask16 below = below_limit(values, args.threshold);
    const __m512i magnitudes = magnitudes_of(values);
    row_max = _mm512_mask_max_epi32(row_max, below, row_max, magnitudes);
    leftover_max = _mm512_mask_max_epi32(leftover_max, static_cast<__mmask16>(~below), leftover_max,
                                         magnitudes);
  }
  args.row_max[row] = float_of_bits(largest_of(row_max));
  if (args.leftover_max != nullptr) {
    args.leftover_max[row] = float_of_bits(largest_of(leftover_max));
  }
}

// rint(x · scale), clamped, in the lanes of `keep`; 0 elsewhere and for scale 0.
__m512i quantize(__m512 x, float scale, float largest_code, __mmask16 keep) {
  if (scale == 0) return _mm512_setzero_si512();
  const __m512 product = _mm512_mul_ps(x, _mm512_set1_ps(scale));
  const __m512 above = _mm512_maskz_min_ps(0xffff, product, _mm512_set1_ps(largest_code));
  const __m512 value = _mm512_maskz_max_ps(0xffff, above, _mm512_set1_ps(-largest_code));
  return _mm512_maskz_cvtps_epi32(keep, value);
}

void store_bytes(int8_t* to, __mmask16 lanes, __m512i values) {
  _mm_mask_storeu_epi8(to, lanes, _mm512_maskz_cvtepi32_epi8(0xffff, values));
}

}  // namespace

void row_maxima_avx512(const RowMaximaArgs& args) {
  for (int64_t r = 0; r < args.rows; ++r) row_maxima(args, r);
}

void quantize_row_avx512(const QuantizeRowArgs& args) {
  const QuantizeScales scales = quantize_scales(args);
  for (int64_t i = 0; i < args.columns; i += 16) {
    const __mmask16 exists = admitted(nullptr, i, args.columns);
    const __mmask16 lanes = admitted(args.column_mask, i, args.columns);
    const __m512 x = _mm512_maskz_loadu_ps(lanes, args.x + i);
    if (args.planes == 2) {
      const __m512i q = quantize(x, scales.row, kTwoPlanesMax, lanes);
      const __m512i high =
          _mm512_maskz_srai_epi32(0xffff, _mm512_add_epi32(q, _mm512_set1_epi32(64)), 7);
      store_bytes(args.codes + i, exists, high);
      store_bytes(args.second + i, exists,
                  _mm512_sub_epi32(q, _mm512_maskz_slli_epi32(0xffff, high, 7)));
      continue;
    }
    const __mmask16 below = below_limit(x, args.threshold);
    store_bytes(args.codes + i, exists,
                quantize(x, scales.row, kOnePlaneMax, static_cast<__mmask16>(lanes & below)));
    if (args.second == nullptr) continue;
    store_bytes(args.second + i, exists,
                quantize(x, scales.leftover, kOnePlaneMax, static_cast<__mmask16>(lanes & ~below)));
  }
  zero_padding(args);
}

}  // namespace octet::ops

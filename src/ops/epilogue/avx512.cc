// The epilogue with AVX-512.
#include <immintrin.h>

#include "ops/epilogue/column.h"

namespace octet::ops {
namespace {

// float(128·hi + lo) of eight sums of any size: exact in double, then one rounding.
__m256 combine_eight(const int32_t* high, const int32_t* low) {
  const __m512d high_sums =
      _mm512_maskz_cvtepi32_pd(0xff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)));
  const __m512d low_sums =
      _mm512_maskz_cvtepi32_pd(0xff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low)));
  const __m512d sums = _mm512_add_pd(_mm512_mul_pd(high_sums, _mm512_set1_pd(128.0)), low_sums);
  return _mm512_maskz_cvtpd_ps(0xff, sums);
}

// The same for sixteen, which nearly always are so small (−2^22 ≤ hi < 2^22, −2^30 ≤ lo < 2^30)
// that 32 bits hold the sum.
__m512 combined(const int32_t* high, const int32_t* low) {
  const __m512i high_sums = _mm512_loadu_si512(high);
  const __m512i low_sums = _mm512_loadu_si512(low);
  const __m512i high_from = _mm512_add_epi32(high_sums, _mm512_set1_epi32(1 << 22));
  const __m512i low_from = _mm512_add_epi32(low_sums, _mm512_set1_epi32(1 << 30));
  const __mmask16 large = _mm512_test_epi32_mask(high_from, _mm512_set1_epi32(-(1 << 23))) |
                          _mm512_movepi32_mask(low_from);
  if (large == 0) {
    const __m512i sums = _mm512_add_epi32(_mm512_maskz_slli_epi32(0xffff, high_sums, 7), low_sums);
    return _mm512_maskz_cvtepi32_ps(0xffff, sums);
  }
  const __m512 first = _mm512_castps256_ps512(combine_eight(high, low));
  return _mm512_maskz_insertf32x8(0xffff, first, combine_eight(high + 8, low + 8), 1);
}

__m512 converted(const int32_t* sums) {
  return _mm512_maskz_cvtepi32_ps(0xffff, _mm512_loadu_si512(sums));
}

__m512 plus(__m512 value, const float* addend, int64_t n) {
  return addend == nullptr ? value : _mm512_add_ps(value, _mm512_loadu_ps(addend + n));
}

}  // namespace

void epilogue_avx512(const EpilogueArgs& args) {
  const __m512 row_factor = _mm512_set1_ps(args.row_factor);
  const __m512 second_factor = _mm512_set1_ps(args.second_factor);
  int64_t n = 0;
  for (; n + 16 <= args.columns; n += 16) {
    __m512 value;
    if (args.planes == 2) {
      value = _mm512_mul_ps(combined(args.sums + n, args.second + n), row_factor);
    } else {
      value = _mm512_mul_ps(converted(args.sums + n), row_factor);
      if (args.second != nullptr) {
        value = _mm512_add_ps(value, _mm512_mul_ps(converted(args.second + n), second_factor));
      }
    }
    value = _mm512_mul_ps(value, _mm512_loadu_ps(args.column_factors + n));
    value = plus(plus(plus(value, args.kept, n), args.bias, n), args.residual, n);
    _mm512_storeu_ps(args.out + n, value);
  }
  epilogue_columns(args, n, args.columns);
}

}  // namespace octet::ops

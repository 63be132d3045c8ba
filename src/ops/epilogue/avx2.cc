// The epilogue with AVX2.
#include <immintrin.h>

#include <limits>

#include "ops/epilogue/column.h"

namespace octet::ops {
namespace {

// float(128·hi + lo) of four sums of any size: exact in double, then one rounding.
__m128 combine_four(const int32_t* high, const int32_t* low) {
  const __m256d high_sums =
      _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(high)));
  const __m256d low_sums =
      _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low)));
  return _mm256_cvtpd_ps(_mm256_add_pd(_mm256_mul_pd(high_sums, _mm256_set1_pd(128.0)), low_sums));
}

// The same for eight, which nearly always are so small (−2^22 ≤ hi < 2^22, −2^30 ≤ lo < 2^30) that
// 32 bits hold the sum.
__m256 combined(const int32_t* high, const int32_t* low) {
  const __m256i high_sums = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high));
  const __m256i low_sums = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
  const __m256i high_from = _mm256_add_epi32(high_sums, _mm256_set1_epi32(1 << 22));
  const __m256i low_from = _mm256_add_epi32(low_sums, _mm256_set1_epi32(1 << 30));
  const __m256i large = _mm256_or_si256(
      _mm256_and_si256(high_from, _mm256_set1_epi32(-(1 << 23))),
      _mm256_and_si256(low_from, _mm256_set1_epi32(std::numeric_limits<int32_t>::min())));
  if (_mm256_testz_si256(large, large) != 0) {
    return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32(high_sums, 7), low_sums));
  }
  return _mm256_set_m128(combine_four(high + 4, low + 4), combine_four(high, low));
}

__m256 converted(const int32_t* sums) {
  return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums)));
}

__m256 plus(__m256 value, const float* addend, int64_t n) {
  return addend == nullptr ? value : _mm256_add_ps(value, _mm256_loadu_ps(addend + n));
}

}  // namespace

void epilogue_avx2(const EpilogueArgs& args) {
  const __m256 row_factor = _mm256_set1_ps(args.row_factor);
  const __m256 second_factor = _mm256_set1_ps(args.second_factor);
  int64_t n = 0;
  for (; n + 8 <= args.columns; n += 8) {
    __m256 value;
    if (args.planes == 2) {
      value = _mm256_mul_ps(combined(args.sums + n, args.second + n), row_factor);
    } else {
      value = _mm256_mul_ps(converted(args.sums + n), row_factor);
      if (args.second != nullptr) {
        value = _mm256_add_ps(value, _mm256_mul_ps(converted(args.second + n), second_factor));
      }
    }
    value = _mm256_mul_ps(value, _mm256_loadu_ps(args.column_factors + n));
    value = plus(plus(plus(value, args.kept, n), args.bias, n), args.residual, n);
    _mm256_storeu_ps(args.out + n, value);
  }
  epilogue_columns(args, n, args.columns);
}

}  // namespace octet::ops

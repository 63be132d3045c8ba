// The int8 ceiling with AVX-VNNI.
#include <immintrin.h>

#include "ops/roofline/roofline.h"

namespace octet::ops {

PeakResult int8_peak_avxvnni(int64_t rounds) {
  constexpr int kChains = 12;
  const PeakOperands& operands = peak_operands();
  __m256i a[2];
  __m256i b[2];
#pragma GCC unroll 16
  for (int i = 0; i < 2; ++i) {
    a[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(operands.a8 + 32 * i));
    b[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(operands.b8 + 32 * i));
  }
  __m256i sums[kChains] = {};
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      sums[i] = _mm256_dpbusd_avx_epi32(sums[i], a[i % 2], b[i % 2]);
      __asm__ volatile("" : "+x"(sums[i]));
    }
  }
  alignas(32) uint32_t lanes[8];
  uint32_t checksum = 0;
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums[i]);
    for (uint32_t lane : lanes) checksum += lane;
  }
  return {rounds * kChains * 32, checksum};
}

}  // namespace octet::ops

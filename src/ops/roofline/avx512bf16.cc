// The ceiling of AVX-512's dot products of bf16 pairs.
#include <immintrin.h>

#include "ops/roofline/roofline.h"

namespace octet::ops {

PeakResult bfloat16_peak_avx512bf16(int64_t rounds) {
  constexpr int kChains = 16;
  const PeakOperands& operands = peak_operands();
  // The upper halves of small integers as floats are the same integers as bfloat16.
  const auto pairs = [](const float* x) {
    // maskz: g++ 12 warns of the undefined operand inside the plain intrinsic.
    const __m512i low =
        _mm512_maskz_srli_epi32(0xffff, _mm512_castps_si512(_mm512_loadu_ps(x)), 16);
    const __m512i high = _mm512_castps_si512(_mm512_loadu_ps(x + 16));
    return reinterpret_cast<__m512bh>(_mm512_or_si512(low, high));
  };
  const __m512bh a[2] = {pairs(operands.a), pairs(operands.a + 32)};
  const __m512bh b[2] = {pairs(operands.b), pairs(operands.b + 32)};
  __m512 sums[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_setzero_ps();
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      sums[i] = _mm512_dpbf16_ps(sums[i], a[i % 2], b[i % 2]);
      __asm__ volatile("" : "+v"(sums[i]));  // keeps chains apart and every step of them
    }
  }
  alignas(64) float lanes[16];
  uint32_t checksum = 0;
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) {
    _mm512_store_ps(lanes, sums[i]);
    for (float lane : lanes) checksum += static_cast<uint32_t>(static_cast<int64_t>(lane));
  }
  return {rounds * kChains * 32, checksum};
}

}  // namespace octet::ops

// Ceilings with AVX2 and FMA.
#include <immintrin.h>

#include "ops/roofline/roofline.h"

namespace octet::ops {

namespace {

constexpr int64_t kAhead = 2048;  // bytes between what is read and what is prefetched

template <typename Vector>
void touch(Vector& value) {  // what is computed from it cannot be moved out of the loop
  __asm__ volatile("" : "+x"(value));
}

__m256i load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

}  // namespace

PeakResult int8_peak_avx2(int64_t rounds) {
  constexpr int kChains = 8;
  const PeakOperands& operands = peak_operands();
  __m256i a[2] = {load(operands.a8), load(operands.a8 + 32)};
  __m256i b[2] = {load(operands.b8), load(operands.b8 + 32)};
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kChains] = {};
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      touch(a[i % 2]);
      const __m256i pairs = _mm256_maddubs_epi16(a[i % 2], b[i % 2]);
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs, ones));
      touch(sums[i]);
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

PeakResult float32_peak_avx2(int64_t rounds) {
  constexpr int kChains = 8;  // × 8 lanes: the 64 operands once a round
  const PeakOperands& operands = peak_operands();
  __m256 a[kChains];
  __m256 sums[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) {
    a[i] = _mm256_loadu_ps(operands.a + 8 * i);
    sums[i] = _mm256_setzero_ps();
  }
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      sums[i] = _mm256_fmadd_ps(a[i], _mm256_loadu_ps(operands.b + 8 * i), sums[i]);
      touch(sums[i]);
    }
  }
  alignas(32) float lanes[8];
  uint32_t checksum = 0;
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) {
    _mm256_store_ps(lanes, sums[i]);
    for (float lane : lanes) checksum += static_cast<uint32_t>(static_cast<int64_t>(lane));
  }
  return {rounds * kChains * 8, checksum};
}

uint64_t read_memory_avx2(const uint64_t* data, int64_t words) {
  const int64_t stream = words / kReadStreams;
  __m256i x[kReadStreams] = {};
  for (int64_t i = 0; i < stream; i += 8) {
    for (int64_t s = 0; s < kReadStreams; ++s) {
      const uint64_t* line = data + s * stream + i;
      _mm_prefetch(reinterpret_cast<const char*>(line) + kAhead, _MM_HINT_T0);
      x[s] = _mm256_xor_si256(x[s], _mm256_xor_si256(load(line), load(line + 4)));
    }
  }
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes),
                     _mm256_xor_si256(_mm256_xor_si256(x[0], x[1]), _mm256_xor_si256(x[2], x[3])));
  return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}

}  // namespace octet::ops

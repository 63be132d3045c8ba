// Ceilings with AVX-512 and its VNNI.
#include <immintrin.h>

#include "ops/roofline/roofline.h"

namespace octet::ops {

namespace {

constexpr int64_t kAhead = 2048;  // bytes between what is read and what is prefetched
constexpr int kChains = 16;

template <typename Vector>
void touch(Vector& value) {  // keeps chains apart and every step of them
  __asm__ volatile("" : "+v"(value));
}

}  // namespace

PeakResult int8_peak_avx512(int64_t rounds) {
  const PeakOperands& operands = peak_operands();
  const __m512i a = _mm512_loadu_si512(operands.a8);
  const __m512i b = _mm512_loadu_si512(operands.b8);
  __m512i sums[kChains] = {};
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
      touch(sums[i]);
    }
  }
  uint32_t checksum = 0;
  alignas(64) uint32_t lanes[16];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) {
    _mm512_store_si512(lanes, sums[i]);
    for (uint32_t lane : lanes) checksum += lane;
  }
  return {rounds * kChains * 64, checksum};
}

PeakResult float32_peak_avx512(int64_t rounds) {
  const PeakOperands& operands = peak_operands();
  __m512 a[4];
  __m512 b[4];
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {
    a[i] = _mm512_loadu_ps(operands.a + 16 * i);
    b[i] = _mm512_loadu_ps(operands.b + 16 * i);
  }
  __m512 sums[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_setzero_ps();
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      sums[i] = _mm512_fmadd_ps(a[i % 4], b[i % 4], sums[i]);
      touch(sums[i]);
    }
  }
  alignas(64) float lanes[16];
  uint32_t checksum = 0;
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) {
    _mm512_store_ps(lanes, sums[i]);
    for (float lane : lanes) checksum += static_cast<uint32_t>(static_cast<int64_t>(lane));
  }
  return {rounds * kChains * 16, checksum};
}

uint64_t read_memory_avx512(const uint64_t* data, int64_t words) {
  const int64_t stream = words / kReadStreams;
  __m512i x[kReadStreams] = {};
  for (int64_t i = 0; i < stream; i += 8) {
    for (int64_t s = 0; s < kReadStreams; ++s) {
      const uint64_t* line = data + s * stream + i;
      _mm_prefetch(reinterpret_cast<const char*>(line) + kAhead, _MM_HINT_T0);
      x[s] = _mm512_xor_si512(x[s], _mm512_loadu_si512(line));
    }
  }
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes,
                     _mm512_xor_si512(_mm512_xor_si512(x[0], x[1]), _mm512_xor_si512(x[2], x[3])));
  uint64_t result = 0;
  for (uint64_t lane : lanes) result ^= lane;
  return result;
}

}  // namespace octet::ops

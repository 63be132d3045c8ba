// The 16-bit product and its activation planes with AVX-512.
#include "ops/simd/avx512.h"

#include "ops/matmul16/kernels.h"
#include "ops/matmul16/vector_product.h"

namespace octet::ops {

namespace {

struct Avx512 : matmul16_vector::FloatSteps<Avx512, simd::Avx512x16> {
  // Their chains take 24 of 32 registers.
  static constexpr int kStreamCells = 4;
  static constexpr bool kParitiesTogether = true;
  // 16 or 24 chains, more than hides their latency, for less than a load per multiply-add.
  static constexpr int rows_of_block(int terms) { return terms == 2 ? 2 : 4; }
  static constexpr int panels_of_block(int terms) { return terms == 3 ? 1 : 2; }

  static OCTET_LANES void widen_f16_pair(const uint16_t* in, V& even, V& odd) {
    const __m512i bits = _mm512_loadu_si512(in);
    even.all = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(bits));
    odd.all = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
  }
  static OCTET_LANES void store_upper_halves(uint16_t* out, V x) {
    const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(x.all), 16);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtepi32_epi16(bits));
  }
};

}  // namespace

void matmul16_avx512(const Matmul16Args& args) {
  matmul16_vector::matmul<Avx512>(args);
}

void split_planes_avx512(const SplitPlanesArgs& args) {
  matmul16_vector::split_planes<Avx512>(args);
}

}  // namespace octet::ops

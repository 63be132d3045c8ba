// The 16-bit product and its activation planes with AVX2, FMA and F16C.
#include "ops/simd/avx2.h"

#include "ops/matmul16/kernels.h"
#include "ops/matmul16/vector_product.h"

namespace octet::ops {

namespace {

struct Avx2 : matmul16_vector::FloatSteps<Avx2, simd::Avx2x16> {
  // Their chains take 12 of 16 registers.
  static constexpr int kStreamCells = 1;
  static constexpr bool kParitiesTogether = false;
  static constexpr int rows_of_block(int terms) { return terms == 1 ? 4 : 2; }
  static constexpr int panels_of_block(int) { return 1; }

  static OCTET_LANES void widen_f16_half(const uint16_t* in, __m256& even, __m256& odd) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
    // Even and odd halves side by side in each 128-bit lane, then all evens below all odds.
    const __m256i sorted = _mm256_permute4x64_epi64(
        _mm256_packus_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(0xffff)),
                            _mm256_srli_epi32(bits, 16)),
        0xd8);
    even = _mm256_cvtph_ps(_mm256_castsi256_si128(sorted));
    odd = _mm256_cvtph_ps(_mm256_extracti128_si256(sorted, 1));
  }
  static OCTET_LANES void widen_f16_pair(const uint16_t* in, V& even, V& odd) {
    widen_f16_half(in, even.low, odd.low);
    widen_f16_half(in + 16, even.high, odd.high);
  }
  static OCTET_LANES void store_upper_halves(uint16_t* out, V x) {
    const __m256i low = _mm256_srli_epi32(_mm256_castps_si256(x.low), 16);
    const __m256i high = _mm256_srli_epi32(_mm256_castps_si256(x.high), 16);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8));
  }
};

}  // namespace

void matmul16_avx2(const Matmul16Args& args) {
  matmul16_vector::matmul<Avx2>(args);
}

void split_planes_avx2(const SplitPlanesArgs& args) {
  matmul16_vector::split_planes<Avx2>(args);
}

}  // namespace octet::ops

// The 16-bit product with AVX-512's dot products of bf16 pairs.
//
// VDPBF16PS adds two products to a float one after the other, the pair's upper half first, each a
// fused multiply-add that flushes denormals: two links of the chain over even or over odd values of
// k, when the pair is (k + 2, k) from the lower half up.
#include "ops/matmul16/kernels.h"
#include "ops/matmul16/vector_product.h"
#include "ops/simd/avx512.h"

namespace octet::ops {

namespace {

struct Avx512Bf16 {
  using V = simd::Avx512x16;
  // Their chains take 24 of 32 registers.
  static constexpr int kStreamCells = 4;
  static constexpr bool kParitiesTogether = true;
  // 16 or 24 chains, more than hides their latency, for less than a load per multiply-add.
  static constexpr int rows_of_block(int terms) { return terms == 2 ? 2 : 4; }
  static constexpr int panels_of_block(int terms) { return terms == 3 ? 1 : 2; }

  static constexpr int kStepValues = 4;
  using Element = uint32_t;  // k + 2, and k in the upper half
  using Weights = __m512i;   // of 16 columns

  static OCTET_LANES void arrange(const uint16_t* in, uint32_t* out) {
    alignas(64) static constexpr uint16_t kOrder[32] = {2,  0,  3,  1,  6,  4,  7,  5,  10, 8,  11,
                                                        9,  14, 12, 15, 13, 18, 16, 19, 17, 22, 20,
                                                        23, 21, 26, 24, 27, 25, 30, 28, 31, 29};
    _mm512_storeu_si512(
        out, _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), _mm512_loadu_si512(in)));
  }

  /// (second, first): the upper halves of both.
  static OCTET_LANES __m512i join_upper(__m512i first, __m512i second) {
    return _mm512_mask_mov_epi16(first, 0x55555555u, _mm512_srli_epi32(second, 16));
  }

  template <SixteenBit kType>
  static OCTET_LANES void convert(const uint16_t* step,
                                  __m512i (*out)[matmul16_vector::weight_planes(kType)]) {
    const __m512i pairs[2] = {_mm512_loadu_si512(step), _mm512_loadu_si512(step + 32)};
    if constexpr (kType == SixteenBit::bf16) {
      out[0][0] = _mm512_mask_mov_epi16(_mm512_slli_epi32(pairs[0], 16), 0x55555555u, pairs[1]);
      out[1][0] = join_upper(pairs[0], pairs[1]);
    } else {
      __m512i high[2][2];  // [pair][even or odd]: floats, of which the upper half counts
      __m512i low[2][2];
      for (int pair = 0; pair < 2; ++pair) split_f16_pair(pairs[pair], high[pair], low[pair]);
      for (int odd = 0; odd < 2; ++odd) {
        out[odd][0] = join_upper(high[0][odd], high[1][odd]);
        out[odd][1] = join_upper(low[0][odd], low[1][odd]);
      }
    }
  }

  /// 16 pairs of f16 to floats, even and odd, and what a cut to bf16 leaves of each.
  static OCTET_LANES void split_f16_pair(__m512i pairs, __m512i* high, __m512i* low) {
    alignas(64) static constexpr uint16_t kEvenThenOdd[32] = {
        0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
        1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31};
    const __m512i sorted = _mm512_permutexvar_epi16(_mm512_load_si512(kEvenThenOdd), pairs);
    const __m512 floats[2] = {_mm512_cvtph_ps(_mm512_castsi512_si256(sorted)),
                              _mm512_cvtph_ps(_mm512_extracti64x4_epi64(sorted, 1))};
    for (int odd = 0; odd < 2; ++odd) {
      high[odd] = _mm512_castps_si512(floats[odd]);
      const __m512i cut =
          _mm512_and_si512(high[odd], _mm512_set1_epi32(static_cast<int>(0xffff0000u)));
      low[odd] = _mm512_castps_si512(_mm512_sub_ps(floats[odd], _mm512_castsi512_ps(cut)));
    }
  }

  static OCTET_LANES V multiply_add(uint32_t a, __m512i b, V c) {
    const __m512i pairs = _mm512_set1_epi32(static_cast<int>(a));
    return {
        _mm512_dpbf16_ps(c.all, reinterpret_cast<__m512bh>(b), reinterpret_cast<__m512bh>(pairs))};
  }
};

}  // namespace

void matmul16_avx512bf16(const Matmul16Args& args) {
  matmul16_vector::matmul<Avx512Bf16>(args);
}

}  // namespace octet::ops

// The int8 product with AVX2 alone.
#include <immintrin.h>

#include "ops/int8_matmul/blocked.h"

namespace octet::ops {
namespace {

// vpmaddubsw multiplies unsigned by signed bytes and adds pairs with saturation at 32767. With |a|
// as the unsigned operand and b carrying the sign of a, a pair is at most 2 · 127² = 32258: it
// never saturates.
struct Avx2 {
  static constexpr int kStreamRows = 4;
  static constexpr int rows_at_once(int64_t) { return 4; }
  static constexpr uint8_t kBias = 0;
  // Eight of 16 registers hold sums.
  static constexpr int panels_at_once(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }

  static __m256i load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  }

  template <int Rows, int Halves>
  static void accumulate(const Int8Block& block, int64_t from, int64_t to, const int64_t* ahead,
                         __m256i (&sums)[Rows][Halves]) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (int64_t k = from; k < to; k += 4) {
#pragma GCC unroll 8
      for (int p = 0; p < Halves / 2; ++p) {
        _mm_prefetch(
            reinterpret_cast<const char*>(block.b) + k * 16 + p * block.panel_bytes + ahead[p],
            _MM_HINT_T0);
      }
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, block.a + r * block.a_stride + k, 4);
        const __m256i x = _mm256_set1_epi32(four);
        const __m256i magnitude = _mm256_abs_epi8(x);
#pragma GCC unroll 8
        for (int h = 0; h < Halves; ++h) {
          const __m256i weights = load(block.b + k * 16 + (h / 2) * block.panel_bytes + h % 2 * 32);
          const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(weights, x));
          sums[r][h] = _mm256_add_epi32(sums[r][h], _mm256_madd_epi16(pairs, ones));
        }
      }
    }
  }

  template <int Rows, int Panels>
  __attribute__((noinline)) static void multiply(const Int8Block& block) {
    constexpr int kHalves = Panels * 2;
    __m256i sums[Rows][kHalves];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int h = 0; h < kHalves; ++h) {
        sums[r][h] =
            block.first ? _mm256_setzero_si256() : load(block.c + r * block.c_stride + h * 8);
      }
    }
    int64_t near[Panels];
#pragma GCC unroll 8
    for (int64_t& offset : near) offset = block.near;
    accumulate(block, 0, block.near_k, near, sums);
    accumulate(block, block.near_k, block.k, block.far, sums);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int h = 0; h < kHalves; ++h) {
        int32_t* c = block.c + r * block.c_stride + h * 8;
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(c), sums[r][h]);
      }
    }
  }
};

}  // namespace

void int8_matmul_avx2(const Int8MatmulArgs& args) {
  blocked_int8_matmul<Avx2>(args);
}

}  // namespace octet::ops

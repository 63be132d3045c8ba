// The int8 product with AVX-512 VNNI.
#include <immintrin.h>

#include "ops/int8_matmul/blocked.h"

namespace octet::ops {
namespace {

// vpdpbusd multiplies unsigned by signed bytes: a + 128 enters, and 128 · column sum is taken off
// again, modulo 2^32, before the first product.
struct Avx512 {
  // 24 of 32 registers hold sums: of up to 6 rows × 4 panels, 8 × 3, 12 × 2 or 24 × 1.
  static constexpr int kStreamRows = 12;
  // Up to 16 rows are two blocks of 8, so that the weights pass twice and not three times.
  static constexpr int rows_at_once(int64_t rows) { return rows <= 16 ? 8 : 6; }
  static constexpr uint8_t kBias = 0x80;
  static constexpr int panels_at_once(int rows) { return rows <= 6 ? 4 : 24 / rows; }

  template <int Rows, int Panels>
  static void start(const Int8Block& block, __m512i (&sums)[Rows][Panels]) {
#pragma GCC unroll 24
    for (int p = 0; p < Panels; ++p) {
      const __m512i column_sums = _mm512_loadu_si512(block.column_sums + p * 16);
      const __m512i correction =
          _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_maskz_slli_epi32(0xffff, column_sums, 7));
#pragma GCC unroll 24
      for (int r = 0; r < Rows; ++r) {
        sums[r][p] =
            block.first ? correction : _mm512_loadu_si512(block.c + r * block.c_stride + p * 16);
      }
    }
  }

  // Values of k in [from, to), prefetching ahead[p] bytes from what is read of panel p.
  template <int Rows, int Panels>
  static void accumulate(const Int8Block& block, int64_t from, int64_t to, const int64_t* ahead,
                         __m512i (&sums)[Rows][Panels]) {
    for (int64_t k = from; k < to; k += 4) {
      const int8_t* b = block.b + k * 16;
      __m512i weights[Panels];
#pragma GCC unroll 24
      for (int p = 0; p < Panels; ++p) {
        weights[p] = _mm512_loadu_si512(b + p * block.panel_bytes);
        _mm_prefetch(reinterpret_cast<const char*>(b) + p * block.panel_bytes + ahead[p],
                     _MM_HINT_T0);
      }
#pragma GCC unroll 24
      for (int r = 0; r < Rows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, block.a + r * block.a_stride + k, 4);
        const __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 24
        for (int p = 0; p < Panels; ++p) {
          sums[r][p] = _mm512_dpbusd_epi32(sums[r][p], x, weights[p]);
        }
      }
    }
  }

  template <int Rows, int Panels>
  __attribute__((noinline)) static void multiply(const Int8Block& block) {
    __m512i sums[Rows][Panels];
    start(block, sums);
    int64_t near[Panels];
#pragma GCC unroll 24
    for (int64_t& offset : near) offset = block.near;
    accumulate(block, 0, block.near_k, near, sums);
    accumulate(block, block.near_k, block.k, block.far, sums);
#pragma GCC unroll 24
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 24
      for (int p = 0; p < Panels; ++p) {
        _mm512_storeu_si512(block.c + r * block.c_stride + p * 16, sums[r][p]);
      }
    }
  }
};

}  // namespace

void int8_matmul_avx512(const Int8MatmulArgs& args) {
  blocked_int8_matmul<Avx512>(args);
}

}  // namespace octet::ops

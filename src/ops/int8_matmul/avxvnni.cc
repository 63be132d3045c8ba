// The int8 product with AVX-VNNI: 256-bit registers, two to a panel.
#include <immintrin.h>

#include "ops/int8_matmul/blocked.h"

namespace octet::ops {
namespace {

// As in avx512.cc, a + 128 enters and 128 · column sum is taken off again, modulo 2^32.
struct AvxVnni {
  static constexpr int kStreamRows = 3;  // × 2 panels = 12 of 16 registers hold sums
  static constexpr int rows_at_once(int64_t) { return 3; }
  static constexpr uint8_t kBias = 0x80;
  static constexpr int panels_at_once(int rows) { return rows == 1 ? 4 : 2; }

  static __m256i load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  }

  template <int Rows, int Halves>
  static void start(const Int8Block& block, __m256i (&sums)[Rows][Halves]) {
#pragma GCC unroll 8
    for (int h = 0; h < Halves; ++h) {
      const __m256i column_sums = load(block.column_sums + h * 8);
      const __m256i correction =
          _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(column_sums, 7));
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        sums[r][h] = block.first ? correction : load(block.c + r * block.c_stride + h * 8);
      }
    }
  }

  template <int Rows, int Halves>
  static void accumulate(const Int8Block& block, int64_t from, int64_t to, const int64_t* ahead,
                         __m256i (&sums)[Rows][Halves]) {
    for (int64_t k = from; k < to; k += 4) {
      __m256i x[Rows];
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, block.a + r * block.a_stride + k, 4);
        x[r] = _mm256_set1_epi32(four);
      }
#pragma GCC unroll 8
      for (int h = 0; h < Halves; ++h) {
        const int8_t* b = block.b + k * 16 + (h / 2) * block.panel_bytes;
        if (h % 2 == 0) _mm_prefetch(reinterpret_cast<const char*>(b) + ahead[h / 2], _MM_HINT_T0);
        const __m256i weights = load(b + h % 2 * 32);
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) {
          sums[r][h] = _mm256_dpbusd_avx_epi32(sums[r][h], x[r], weights);
        }
      }
    }
  }

  template <int Rows, int Panels>
  __attribute__((noinline)) static void multiply(const Int8Block& block) {
    constexpr int kHalves = Panels * 2;
    __m256i sums[Rows][kHalves];
    start(block, sums);
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

void int8_matmul_avxvnni(const Int8MatmulArgs& args) {
  blocked_int8_matmul<AvxVnni>(args);
}

}  // namespace octet::ops

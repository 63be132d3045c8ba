// The 16-bit product and its activation planes with AVX-512.
#include <immintrin.h>

#include "ops/matmul16/kernels.h"
#include "ops/matmul16/vector_product.h"

namespace octet::ops {

namespace {

struct Avx512 {
  using Float = __m512;
  static constexpr int kLanes = 16;
  // (row, vector) cells whose chains, 6 at most, stay in the 32 registers.
  static constexpr int kCells = 4;

  static Float zero() { return _mm512_setzero_ps(); }
  static Float load(const float* in) { return _mm512_loadu_ps(in); }
  static void store(float* out, Float x) { _mm512_storeu_ps(out, x); }
  static Float broadcast(const float* in) { return _mm512_set1_ps(*in); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float subtract(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static void prefetch(const uint16_t* in) {
    _mm_prefetch(reinterpret_cast<const char*>(in), _MM_HINT_T0);
  }

  static Float cut(Float x) {
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(static_cast<int>(0xffff0000))));
  }
  static Float widen(const uint16_t* in) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static void widen_bf16_pair(const uint16_t* in, Float& even, Float& odd) {
    const __m512i bits = _mm512_loadu_si512(in);
    even = _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
    odd = cut(_mm512_castsi512_ps(bits));
  }
  static void widen_f16_pair(const uint16_t* in, Float& even, Float& odd) {
    const __m512i bits = _mm512_loadu_si512(in);
    even = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(bits));
    odd = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
  }

  /// float_to_bf16 of every lane, as a float.
  static Float round_to_bf16(Float x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i lowest = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i half = _mm512_add_epi32(lowest, _mm512_set1_epi32(0x7fff));
    const __m512i rounded =
        _mm512_mask_or_epi32(_mm512_add_epi32(bits, half), _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q),
                             bits, _mm512_set1_epi32(0x400000));
    return cut(_mm512_castsi512_ps(rounded));
  }
  static void store_bf16(uint16_t* out, Float x) {
    const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(x), 16);
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

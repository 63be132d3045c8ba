// The 16-bit product and its activation planes with AVX2, FMA and F16C.
#include <immintrin.h>

#include "ops/matmul16/kernels.h"
#include "ops/matmul16/vector_product.h"

namespace octet::ops {

namespace {

struct Avx2 {
  using Float = __m256;
  static constexpr int kLanes = 8;
  // (row, vector) cells whose chains, 6 at most, stay in the 16 registers.
  static constexpr int kCells = 2;

  static Float zero() { return _mm256_setzero_ps(); }
  static Float load(const float* in) { return _mm256_loadu_ps(in); }
  static void store(float* out, Float x) { _mm256_storeu_ps(out, x); }
  static Float broadcast(const float* in) { return _mm256_broadcast_ss(in); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float subtract(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static void prefetch(const uint16_t* in) {
    _mm_prefetch(reinterpret_cast<const char*>(in), _MM_HINT_T0);
  }
  static __m256i load_bits(const uint16_t* in) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
  }

  static Float cut(Float x) {
    return _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0xffff0000))));
  }
  static Float widen(const uint16_t* in) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static void widen_bf16_pair(const uint16_t* in, Float& even, Float& odd) {
    const __m256i bits = load_bits(in);
    even = _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
    odd = cut(_mm256_castsi256_ps(bits));
  }
  static void widen_f16_pair(const uint16_t* in, Float& even, Float& odd) {
    const __m256i bits = load_bits(in);
    // Even and odd halves side by side in each 128-bit lane, then all evens below all odds.
    const __m256i halves = _mm256_permute4x64_epi64(
        _mm256_packus_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(0xffff)),
                            _mm256_srli_epi32(bits, 16)),
        0xd8);
    even = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
    odd = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
  }

  /// float_to_bf16 of every lane, as a float.
  static Float round_to_bf16(Float x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i lowest = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i half = _mm256_add_epi32(lowest, _mm256_set1_epi32(0x7fff));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    return cut(_mm256_blendv_ps(_mm256_castsi256_ps(_mm256_add_epi32(bits, half)),
                                _mm256_castsi256_ps(quiet), _mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
  }
  static void store_bf16(uint16_t* out, Float x) {
    const __m256i bits = _mm256_srli_epi32(_mm256_castps_si256(x), 16);
    const __m128i halves =
        _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), halves);
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

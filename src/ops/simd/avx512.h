// 16 float lanes in one AVX-512 register; only for files built with AVX-512 F, BW, VL and DQ.
#pragma once

#include "ops/simd/intrinsics.h"
#include "ops/simd/lanes.h"

namespace octet::ops::simd {

/// See lanes.h.
struct Avx512x16 {
  struct Mask {
    __mmask16 bits;
  };

  struct Bits {
    __m512i all;

    static OCTET_LANES Bits broadcast(uint32_t value) {
      return {_mm512_set1_epi32(static_cast<int>(value))};
    }
    friend OCTET_LANES Bits operator+(Bits a, Bits b) { return {_mm512_add_epi32(a.all, b.all)}; }
    friend OCTET_LANES Bits operator-(Bits a, Bits b) { return {_mm512_sub_epi32(a.all, b.all)}; }
    friend OCTET_LANES Bits operator&(Bits a, Bits b) { return {_mm512_and_si512(a.all, b.all)}; }
    friend OCTET_LANES Bits operator|(Bits a, Bits b) { return {_mm512_or_si512(a.all, b.all)}; }
    friend OCTET_LANES Bits operator^(Bits a, Bits b) { return {_mm512_xor_si512(a.all, b.all)}; }
    template <int kCount>
    friend OCTET_LANES Bits shift_left(Bits a) {
      return {_mm512_slli_epi32(a.all, kCount)};
    }
    template <int kCount>
    friend OCTET_LANES Bits shift_right(Bits a) {
      return {_mm512_srli_epi32(a.all, kCount)};
    }
  };

  __m512 all;

  static OCTET_LANES Avx512x16 broadcast(float value) { return {_mm512_set1_ps(value)}; }
  static OCTET_LANES Avx512x16 zero() { return {_mm512_setzero_ps()}; }
  static OCTET_LANES Avx512x16 load(const float* from) { return {_mm512_loadu_ps(from)}; }
  static OCTET_LANES Avx512x16 load_partial(const float* from, int64_t count) {
    return {_mm512_maskz_loadu_ps(first(count).bits, from)};
  }
  static OCTET_LANES Avx512x16 load_f16(const uint16_t* from) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
  }
  static OCTET_LANES Avx512x16 load_bf16(const uint16_t* from) {
    const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16))};
  }
  OCTET_LANES void store(float* to) const { _mm512_storeu_ps(to, all); }
  OCTET_LANES void store_partial(float* to, int64_t count) const {
    _mm512_mask_storeu_ps(to, first(count).bits, all);
  }

  OCTET_LANES Bits bits() const { return {_mm512_castps_si512(all)}; }
  static OCTET_LANES Avx512x16 from_bits(Bits bits) { return {_mm512_castsi512_ps(bits.all)}; }
  static OCTET_LANES Mask first(int64_t count) {
    return {static_cast<__mmask16>((uint32_t{1} << static_cast<uint32_t>(count)) - 1)};
  }

  friend OCTET_LANES Avx512x16 operator+(Avx512x16 a, Avx512x16 b) {
    return {_mm512_add_ps(a.all, b.all)};
  }
  friend OCTET_LANES Avx512x16 operator-(Avx512x16 a, Avx512x16 b) {
    return {_mm512_sub_ps(a.all, b.all)};
  }
  friend OCTET_LANES Avx512x16 operator*(Avx512x16 a, Avx512x16 b) {
    return {_mm512_mul_ps(a.all, b.all)};
  }
  friend OCTET_LANES Avx512x16 operator/(Avx512x16 a, Avx512x16 b) {
    return {_mm512_div_ps(a.all, b.all)};
  }
  friend OCTET_LANES Avx512x16 fma(Avx512x16 a, Avx512x16 b, Avx512x16 c) {
    return {_mm512_fmadd_ps(a.all, b.all, c.all)};
  }
  friend OCTET_LANES Avx512x16 sqrt(Avx512x16 a) { return {_mm512_sqrt_ps(a.all)}; }
  friend OCTET_LANES Avx512x16 abs(Avx512x16 a) {
    return from_bits(a.bits() & Bits::broadcast(0x7fffffffu));
  }
  friend OCTET_LANES Avx512x16 rint(Avx512x16 a) {
    return {_mm512_roundscale_ps(a.all, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  friend OCTET_LANES Avx512x16 max(Avx512x16 a, Avx512x16 b) {
    return {_mm512_max_ps(a.all, b.all)};
  }
  friend OCTET_LANES Avx512x16 min(Avx512x16 a, Avx512x16 b) {
    return {_mm512_min_ps(a.all, b.all)};
  }
  friend OCTET_LANES Mask less(Avx512x16 a, Avx512x16 b) {
    return {_mm512_cmp_ps_mask(a.all, b.all, _CMP_LT_OQ)};
  }
  friend OCTET_LANES Mask less_equal(Avx512x16 a, Avx512x16 b) {
    return {_mm512_cmp_ps_mask(a.all, b.all, _CMP_LE_OQ)};
  }
  friend OCTET_LANES Mask equal(Avx512x16 a, Avx512x16 b) {
    return {_mm512_cmp_ps_mask(a.all, b.all, _CMP_EQ_OQ)};
  }
  friend OCTET_LANES Avx512x16 select(Mask mask, Avx512x16 yes, Avx512x16 no) {
    return {_mm512_mask_blend_ps(mask.bits, no.all, yes.all)};
  }
  friend OCTET_LANES Avx512x16 keep_first(Avx512x16 a, int64_t count) {
    return {_mm512_maskz_mov_ps(first(count).bits, a.all)};
  }
  friend OCTET_LANES float reduce_add(Avx512x16 a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.all), upper(a));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  friend OCTET_LANES float reduce_max(Avx512x16 a) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.all), upper(a));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

 private:
  static OCTET_LANES __m256 upper(Avx512x16 a) { return _mm512_extractf32x8_ps(a.all, 1); }
};

}  // namespace octet::ops::simd

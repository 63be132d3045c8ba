// 16 float lanes in two AVX2 registers; only for files built with AVX2, FMA and F16C.
#pragma once

#include "ops/simd/intrinsics.h"
#include "ops/simd/lanes.h"

namespace octet::ops::simd {

/// See lanes.h. `low` holds lanes 0..7, `high` lanes 8..15.
struct Avx2x16 {
  struct Mask {
    __m256 low;
    __m256 high;
  };

  struct Bits {
    __m256i low;
    __m256i high;

    static OCTET_LANES Bits broadcast(uint32_t value) {
      const __m256i all = _mm256_set1_epi32(static_cast<int>(value));
      return {all, all};
    }
    friend OCTET_LANES Bits operator+(Bits a, Bits b) {
      return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
    }
    friend OCTET_LANES Bits operator-(Bits a, Bits b) {
      return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
    }
    friend OCTET_LANES Bits operator&(Bits a, Bits b) {
      return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
    }
    friend OCTET_LANES Bits operator|(Bits a, Bits b) {
      return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
    }
    friend OCTET_LANES Bits operator^(Bits a, Bits b) {
      return {_mm256_xor_si256(a.low, b.low), _mm256_xor_si256(a.high, b.high)};
    }
    template <int kCount>
    friend OCTET_LANES Bits shift_left(Bits a) {
      return {_mm256_slli_epi32(a.low, kCount), _mm256_slli_epi32(a.high, kCount)};
    }
    template <int kCount>
    friend OCTET_LANES Bits shift_right(Bits a) {
      return {_mm256_srli_epi32(a.low, kCount), _mm256_srli_epi32(a.high, kCount)};
    }
  };

  __m256 low;
  __m256 high;

  static OCTET_LANES Avx2x16 broadcast(float value) {
    const __m256 all = _mm256_set1_ps(value);
    return {all, all};
  }
  static OCTET_LANES Avx2x16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static OCTET_LANES Avx2x16 load(const float* from) {
    return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
  }
  static OCTET_LANES Avx2x16 load_partial(const float* from, int64_t count) {
    if (count == kLanes) return load(from);  // masked moves cost more, stores above all
    const Mask mask = first(count);
    return {_mm256_maskload_ps(from, _mm256_castps_si256(mask.low)),
            _mm256_maskload_ps(from + 8, _mm256_castps_si256(mask.high))};
  }
  static OCTET_LANES Avx2x16 load_f16(const uint16_t* from) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))),
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 8)))};
  }
  static OCTET_LANES Avx2x16 load_bf16(const uint16_t* from) {
    return {widen_bf16(from), widen_bf16(from + 8)};
  }
  OCTET_LANES void store(float* to) const {
    _mm256_storeu_ps(to, low);
    _mm256_storeu_ps(to + 8, high);
  }
  OCTET_LANES void store_partial(float* to, int64_t count) const {
    if (count == kLanes) return store(to);
    const Mask mask = first(count);
    _mm256_maskstore_ps(to, _mm256_castps_si256(mask.low), low);
    _mm256_maskstore_ps(to + 8, _mm256_castps_si256(mask.high), high);
  }

  OCTET_LANES Bits bits() const { return {_mm256_castps_si256(low), _mm256_castps_si256(high)}; }
  static OCTET_LANES Avx2x16 from_bits(Bits bits) {
    return {_mm256_castsi256_ps(bits.low), _mm256_castsi256_ps(bits.high)};
  }
  static OCTET_LANES Mask first(int64_t count) {
    const __m256i counts = _mm256_set1_epi32(static_cast<int>(count));
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i index_high = _mm256_add_epi32(index, _mm256_set1_epi32(8));
    return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(counts, index)),
            _mm256_castsi256_ps(_mm256_cmpgt_epi32(counts, index_high))};
  }

  friend OCTET_LANES Avx2x16 operator+(Avx2x16 a, Avx2x16 b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  friend OCTET_LANES Avx2x16 operator-(Avx2x16 a, Avx2x16 b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
  }
  friend OCTET_LANES Avx2x16 operator*(Avx2x16 a, Avx2x16 b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  friend OCTET_LANES Avx2x16 operator/(Avx2x16 a, Avx2x16 b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
  }
  friend OCTET_LANES Avx2x16 fma(Avx2x16 a, Avx2x16 b, Avx2x16 c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  friend OCTET_LANES Avx2x16 sqrt(Avx2x16 a) {
    return {_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high)};
  }
  friend OCTET_LANES Avx2x16 abs(Avx2x16 a) {
    return from_bits(a.bits() & Bits::broadcast(0x7fffffffu));
  }
  friend OCTET_LANES Avx2x16 rint(Avx2x16 a) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.low, kNearest), _mm256_round_ps(a.high, kNearest)};
  }
  friend OCTET_LANES Avx2x16 max(Avx2x16 a, Avx2x16 b) {
    return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
  }
  friend OCTET_LANES Avx2x16 min(Avx2x16 a, Avx2x16 b) {
    return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
  }
  friend OCTET_LANES Mask less(Avx2x16 a, Avx2x16 b) {
    return {_mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ)};
  }
  friend OCTET_LANES Mask less_equal(Avx2x16 a, Avx2x16 b) {
    return {_mm256_cmp_ps(a.low, b.low, _CMP_LE_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LE_OQ)};
  }
  friend OCTET_LANES Mask equal(Avx2x16 a, Avx2x16 b) {
    return {_mm256_cmp_ps(a.low, b.low, _CMP_EQ_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_EQ_OQ)};
  }
  friend OCTET_LANES Avx2x16 select(Mask mask, Avx2x16 yes, Avx2x16 no) {
    return {_mm256_blendv_ps(no.low, yes.low, mask.low),
            _mm256_blendv_ps(no.high, yes.high, mask.high)};
  }
  friend OCTET_LANES Avx2x16 keep_first(Avx2x16 a, int64_t count) {
    const Mask mask = first(count);
    return {_mm256_and_ps(a.low, mask.low), _mm256_and_ps(a.high, mask.high)};
  }
  friend OCTET_LANES float reduce_add(Avx2x16 a) {
    const __m256 eight = _mm256_add_ps(a.low, a.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  friend OCTET_LANES float reduce_max(Avx2x16 a) {
    const __m256 eight = _mm256_max_ps(a.low, a.high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

 private:
  static OCTET_LANES __m256 widen_bf16(const uint16_t* from) {
    const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
  }
};

}  // namespace octet::ops::simd

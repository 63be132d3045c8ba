// Packing stored weights with AVX2 and F16C.
#include "ops/pack_weights/pack_weights_kernel.h"
#include "ops/simd/intrinsics.h"

namespace octet::ops {
namespace {

using tensor::DType;

struct Avx2 {
  using Register = __m256i;
  struct Sums {
    __m256i low;
    __m256i high;
  };
  using Rows = const std::byte* const (&)[kPanelColumns];
  static constexpr int64_t kBytes = 32;
  static constexpr int64_t kFloats = 8;

  static OCTET_LANES Register load(const std::byte* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static OCTET_LANES void store(void* to, Register value) {
    _mm256_storeu_si256(static_cast<__m256i*>(to), value);
  }
  static OCTET_LANES Register zero() { return _mm256_setzero_si256(); }
  static OCTET_LANES Sums zero_sums() { return {zero(), zero()}; }
  static OCTET_LANES void store_sums(Sums sums, int32_t* to) {
    store(to, sums.low);
    store(to + 8, sums.high);
  }

  template <DType kType>
  static OCTET_LANES Register max_magnitudes(Register largest, Register elements) {
    if constexpr (kType == DType::f32) {
      return _mm256_max_epi32(largest, _mm256_and_si256(elements, _mm256_set1_epi32(0x7fffffff)));
    } else {
      return _mm256_max_epi16(largest, _mm256_and_si256(elements, _mm256_set1_epi16(0x7fff)));
    }
  }

  template <DType kType>
  static OCTET_LANES __m256 floats(const std::byte* from) {
    if constexpr (kType == DType::f32) return _mm256_loadu_ps(reinterpret_cast<const float*>(from));
    const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    if constexpr (kType == DType::f16) return _mm256_cvtph_ps(narrow);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
  }

  template <DType kType>
  static OCTET_LANES void widen(const std::byte* from, float* to) {
    _mm256_storeu_ps(to, floats<kType>(from));
  }

  template <DType kType>
  static OCTET_LANES void narrow(const float* from, uint16_t* to) {
    const __m256 values = _mm256_loadu_ps(from);
    __m128i narrow;
    if constexpr (kType == DType::f16) {
      narrow = _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else {
      const __m256i bits = _mm256_castps_si256(values);
      const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
      const __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
      const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
      narrow =
          _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrow);
  }

  static OCTET_LANES void add_codes(Sums& sums, const int8_t* codes) {
    const auto* from = reinterpret_cast<const std::byte*>(codes);
    sums = {add_fours(sums.low, load(from)), add_fours(sums.high, load(from + 32))};
  }
  static OCTET_LANES Register min_codes(Register lowest, const int8_t* codes) {
    return _mm256_min_epi8(lowest, load(reinterpret_cast<const std::byte*>(codes)));
  }

  /// rint(x · scale), clamped.
  template <DType kType>
  static OCTET_LANES __m256i quantized(const std::byte* from, __m256 scale) {
    __m256 value = _mm256_mul_ps(floats<kType>(from), scale);
    value = _mm256_min_ps(value, _mm256_set1_ps(kOnePlaneMax));
    value = _mm256_max_ps(value, _mm256_set1_ps(-kOnePlaneMax));
    return _mm256_cvtps_epi32(value);
  }

  /// Codes of 32 columns, fours of them in the order 0 2 4 6 | 1 3 5 7.
  template <DType kType>
  static OCTET_LANES __m256i codes(const std::byte* from, float row_scale) {
    constexpr int64_t kStep = kFloats * pack_weights::kElementBytes<kType>;
    const __m256 scale = _mm256_set1_ps(row_scale);
    const __m256i low =
        _mm256_packs_epi32(quantized<kType>(from, scale), quantized<kType>(from + kStep, scale));
    const __m256i high = _mm256_packs_epi32(quantized<kType>(from + 2 * kStep, scale),
                                            quantized<kType>(from + 3 * kStep, scale));
    return _mm256_packs_epi16(low, high);
  }

  /// Four rows of eight 32-bit words: lane L of words[q] is word 4L + q of all four.
  struct FourRows {
    __m256i words[4];
  };
  static OCTET_LANES FourRows four_rows(__m256i r0, __m256i r1, __m256i r2, __m256i r3) {
    const __m256i low01 = _mm256_unpacklo_epi32(r0, r1);
    const __m256i high01 = _mm256_unpackhi_epi32(r0, r1);
    const __m256i low23 = _mm256_unpacklo_epi32(r2, r3);
    const __m256i high23 = _mm256_unpackhi_epi32(r2, r3);
    return {{_mm256_unpacklo_epi64(low01, low23), _mm256_unpackhi_epi64(low01, low23),
             _mm256_unpacklo_epi64(high01, high23), _mm256_unpackhi_epi64(high01, high23)}};
  }

  /// Word 4·kLane + q of rows 0..7 in `low` and 8..15 in `high`.
  template <int kLane>
  static OCTET_LANES Sums column_of(const FourRows (&rows)[4], int q) {
    constexpr int kSelect = kLane == 0 ? 0x20 : 0x31;
    return {_mm256_permute2x128_si256(rows[0].words[q], rows[1].words[q], kSelect),
            _mm256_permute2x128_si256(rows[2].words[q], rows[3].words[q], kSelect)};
  }

  static OCTET_LANES __m256i add_fours(__m256i sums, __m256i codes) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  static OCTET_LANES void store_column(Sums column, void* to) {
    store(to, column.low);
    store(static_cast<std::byte*>(to) + 32, column.high);
  }

  static OCTET_LANES void put_codes(Sums column, int8_t* to, Sums& sums) {
    store_column(column, to);
    sums = {add_fours(sums.low, column.low), add_fours(sums.high, column.high)};
  }

  template <DType kType>
  static OCTET_LANES void pack_int8_block(Rows rows, const float* scales, int8_t* out, Sums& sums) {
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t offset = half * 32 * pack_weights::kElementBytes<kType>;
      FourRows four[4];
      for (int g = 0; g < 4; ++g) {
        four[g] = four_rows(codes<kType>(rows[4 * g] + offset, scales[4 * g]),
                            codes<kType>(rows[4 * g + 1] + offset, scales[4 * g + 1]),
                            codes<kType>(rows[4 * g + 2] + offset, scales[4 * g + 2]),
                            codes<kType>(rows[4 * g + 3] + offset, scales[4 * g + 3]));
      }
      int8_t* to = out + half * 8 * 64;
      for (int q = 0; q < 4; ++q) {  // word 4·lane + q holds four 2q + lane
        put_codes(column_of<0>(four, q), to + 2 * q * 64, sums);
        put_codes(column_of<1>(four, q), to + (2 * q + 1) * 64, sums);
      }
    }
  }

  static OCTET_LANES void pack16_block(Rows rows, uint16_t* out) {
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t offset = half * 32;
      FourRows four[4];
      for (int g = 0; g < 4; ++g) {
        four[g] = four_rows(load(rows[4 * g] + offset), load(rows[4 * g + 1] + offset),
                            load(rows[4 * g + 2] + offset), load(rows[4 * g + 3] + offset));
      }
      uint16_t* to = out + half * 8 * 32;
      for (int q = 0; q < 4; ++q) {
        store_column(column_of<0>(four, q), to + q * 32);
        store_column(column_of<1>(four, q), to + (4 + q) * 32);
      }
    }
  }
};

}  // namespace

void stored_maxima_avx2(const StoredMaximaArgs& args) {
  pack_weights::stored_maxima<Avx2>(args);
}

void pack_int8_avx2(const PackInt8Args& args) {
  pack_weights::pack_int8<Avx2>(args);
}

void pack16_avx2(const Pack16Args& args) {
  pack_weights::pack16<Avx2>(args);
}

void widen_row_avx2(const WidenRowArgs& args) {
  pack_weights::widen_row<Avx2>(args);
}

bool narrow_row_avx2(const NarrowRowArgs& args) {
  return pack_weights::narrow_row<Avx2>(args);
}

bool sum_panel_avx2(const SumPanelArgs& args) {
  return pack_weights::sum_panel<Avx2>(args);
}

}  // namespace octet::ops

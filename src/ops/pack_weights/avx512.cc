// Packing stored weights with AVX-512.
#include "ops/pack_weights/pack_weights_kernel.h"
#include "ops/simd/intrinsics.h"

namespace octet::ops {
namespace {

using tensor::DType;

struct Avx512 {
  using Register = __m512i;
  using Sums = __m512i;
  using Rows = const std::byte* const (&)[kPanelColumns];
  static constexpr int64_t kBytes = 64;
  static constexpr int64_t kFloats = 16;

  static OCTET_LANES Register load(const std::byte* from) { return _mm512_loadu_si512(from); }
  static OCTET_LANES void store(std::byte* to, Register value) { _mm512_storeu_si512(to, value); }
  static OCTET_LANES Register zero() { return _mm512_setzero_si512(); }
  static OCTET_LANES Sums zero_sums() { return _mm512_setzero_si512(); }
  static OCTET_LANES void store_sums(Sums sums, int32_t* to) { _mm512_storeu_si512(to, sums); }

  template <DType kType>
  static OCTET_LANES Register max_magnitudes(Register largest, Register elements) {
    if constexpr (kType == DType::f32) {
      return _mm512_max_epi32(largest, _mm512_and_si512(elements, _mm512_set1_epi32(0x7fffffff)));
    } else {
      return _mm512_max_epi16(largest, _mm512_and_si512(elements, _mm512_set1_epi16(0x7fff)));
    }
  }

  template <DType kType>
  static OCTET_LANES __m512 floats(const std::byte* from) {
    if constexpr (kType == DType::f32) return _mm512_loadu_ps(from);
    const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    if constexpr (kType == DType::f16) return _mm512_cvtph_ps(narrow);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
  }

  template <DType kType>
  static OCTET_LANES void widen(const std::byte* from, float* to) {
    _mm512_storeu_ps(to, floats<kType>(from));
  }

  template <DType kType>
  static OCTET_LANES void narrow(const float* from, uint16_t* to) {
    const __m512 values = _mm512_loadu_ps(from);
    __m256i narrow;
    if constexpr (kType == DType::f16) {
      narrow = _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else {
      const __m512i bits = _mm512_castps_si512(values);
      const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
      const __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
      narrow = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_add_epi32(bits, half), 16));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), narrow);
  }

  static OCTET_LANES void add_codes(Sums& sums, const int8_t* codes) {
    sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), _mm512_loadu_si512(codes));
  }
  static OCTET_LANES Register min_codes(Register lowest, const int8_t* codes) {
    return _mm512_min_epi8(lowest, _mm512_loadu_si512(codes));
  }

  /// rint(x · scale), clamped.
  template <DType kType>
  static OCTET_LANES __m512i quantized(const std::byte* from, __m512 scale) {
    __m512 value = _mm512_mul_ps(floats<kType>(from), scale);
    value = _mm512_min_ps(value, _mm512_set1_ps(kOnePlaneMax));
    value = _mm512_max_ps(value, _mm512_set1_ps(-kOnePlaneMax));
    return _mm512_cvtps_epi32(value);
  }

  /// Codes of 64 columns, fours of them in the order 0 4 8 12 | 1 5 9 13 | 2 6 10 14 | 3 7 11 15.
  template <DType kType>
  static OCTET_LANES __m512i codes(const std::byte* from, float row_scale) {
    constexpr int64_t kStep = kFloats * pack_weights::kElementBytes<kType>;
    const __m512 scale = _mm512_set1_ps(row_scale);
    const __m512i low =
        _mm512_packs_epi32(quantized<kType>(from, scale), quantized<kType>(from + kStep, scale));
    const __m512i high = _mm512_packs_epi32(quantized<kType>(from + 2 * kStep, scale),
                                            quantized<kType>(from + 3 * kStep, scale));
    return _mm512_packs_epi16(low, high);
  }

  /// Four rows of sixteen 32-bit words: lane L of words[q] is word 4L + q of all four.
  struct FourRows {
    __m512i words[4];
  };
  static OCTET_LANES FourRows four_rows(__m512i r0, __m512i r1, __m512i r2, __m512i r3) {
    const __m512i low01 = _mm512_unpacklo_epi32(r0, r1);
    const __m512i high01 = _mm512_unpackhi_epi32(r0, r1);
    const __m512i low23 = _mm512_unpacklo_epi32(r2, r3);
    const __m512i high23 = _mm512_unpackhi_epi32(r2, r3);
    return {{_mm512_unpacklo_epi64(low01, low23), _mm512_unpackhi_epi64(low01, low23),
             _mm512_unpacklo_epi64(high01, high23), _mm512_unpackhi_epi64(high01, high23)}};
  }

  /// columns[L] is word 4L + q of all sixteen rows.
  static OCTET_LANES void columns_of(const FourRows (&rows)[4], int q, __m512i (&columns)[4]) {
    const __m512i low01 = _mm512_shuffle_i32x4(rows[0].words[q], rows[1].words[q], 0x44);
    const __m512i low23 = _mm512_shuffle_i32x4(rows[2].words[q], rows[3].words[q], 0x44);
    const __m512i high01 = _mm512_shuffle_i32x4(rows[0].words[q], rows[1].words[q], 0xee);
    const __m512i high23 = _mm512_shuffle_i32x4(rows[2].words[q], rows[3].words[q], 0xee);
    columns[0] = _mm512_shuffle_i32x4(low01, low23, 0x88);
    columns[1] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
    columns[2] = _mm512_shuffle_i32x4(high01, high23, 0x88);
    columns[3] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
  }

  template <DType kType>
  static OCTET_LANES void pack_int8_block(Rows rows, const float* scales, int8_t* out, Sums& sums) {
    FourRows four[4];
    for (int g = 0; g < 4; ++g) {
      four[g] = four_rows(codes<kType>(rows[4 * g], scales[4 * g]),
                          codes<kType>(rows[4 * g + 1], scales[4 * g + 1]),
                          codes<kType>(rows[4 * g + 2], scales[4 * g + 2]),
                          codes<kType>(rows[4 * g + 3], scales[4 * g + 3]));
    }
    for (int q = 0; q < 4; ++q) {
      __m512i columns[4];
      columns_of(four, q, columns);
      for (int lane = 0; lane < 4; ++lane) {  // word 4·lane + q holds four 4q + lane
        _mm512_storeu_si512(out + (4 * q + lane) * 64, columns[lane]);
        sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), columns[lane]);
      }
    }
  }

  static OCTET_LANES void pack16_block(Rows rows, uint16_t* out) {
    FourRows four[4];
    for (int g = 0; g < 4; ++g) {
      four[g] = four_rows(load(rows[4 * g]), load(rows[4 * g + 1]), load(rows[4 * g + 2]),
                          load(rows[4 * g + 3]));
    }
    for (int q = 0; q < 4; ++q) {
      __m512i columns[4];
      columns_of(four, q, columns);
      for (int lane = 0; lane < 4; ++lane) {
        _mm512_storeu_si512(out + (4 * lane + q) * 32, columns[lane]);
      }
    }
  }
};

}  // namespace

void stored_maxima_avx512(const StoredMaximaArgs& args) {
  pack_weights::stored_maxima<Avx512>(args);
}

void pack_int8_avx512(const PackInt8Args& args) {
  pack_weights::pack_int8<Avx512>(args);
}

void pack16_avx512(const Pack16Args& args) {
  pack_weights::pack16<Avx512>(args);
}

void widen_row_avx512(const WidenRowArgs& args) {
  pack_weights::widen_row<Avx512>(args);
}

bool narrow_row_avx512(const NarrowRowArgs& args) {
  return pack_weights::narrow_row<Avx512>(args);
}

bool sum_panel_avx512(const SumPanelArgs& args) {
  return pack_weights::sum_panel<Avx512>(args);
}

}  // namespace octet::ops

// Turning float activation rows into int8 codes: row maxima, then codes for given scales.
//
// Arithmetic (LLM.int8(), Sec. 2.1; src/quant is the oracle): code = rint(x·((1/c)·Q)) in float32,
// ties to even, clamped to ±Q, with Q = 127 for one plane and Q = 16256 for two planes, where the
// 15-bit code q = 128·hi + lo, |hi| ≤ 127, lo in [-64, 63]. c = 0, and c so small that (1/c)·Q is
// not finite, give zeros.
#pragma once

#include <cstdint>
#include <span>

#include "ops/registry.h"

namespace octet::ops {

inline constexpr float kOnePlaneMax = 127.0f;
inline constexpr float kTwoPlanesMax = 16256.0f;

/// Phase 1. For each row r: row_max[r] = max |x| over the columns that `column_mask` admits and,
/// when threshold > 0, over elements with |x| < threshold; leftover_max[r] = max |x| over admitted
/// elements with |x| ≥ threshold, 0 when there is none (always 0 when threshold is 0).
/// Compared as integers of the magnitude bits, so an infinity or NaN in a row comes out as such in
/// row_max or leftover_max: the caller must check. column_mask: per column 0xffffffff (admitted) or
/// 0, or null for all.
struct RowMaximaArgs {
  const float* x = nullptr;  ///< [rows, columns]
  int64_t x_stride = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  const uint32_t* column_mask = nullptr;
  float threshold = 0;
  float* row_max = nullptr;       ///< [rows]
  float* leftover_max = nullptr;  ///< [rows]; may be null when threshold is 0
};

/// Phase 2, one row: writes the codes of one row for a given scale c.
/// planes = 1: `codes` gets rint(x·((1/c)·127)) of the admitted elements below the threshold
/// (0 elsewhere) and, when `second` is not null, `second` gets the leftovers' codes for
/// c = leftover_max (0 elsewhere). planes = 2: threshold is ignored, `codes` gets the hi and
/// `second` the lo codes of all admitted elements. Both are padded with zeros to padded_columns.
struct QuantizeRowArgs {
  const float* x = nullptr;  ///< [columns]
  int64_t columns = 0;
  int64_t padded_columns = 0;
  const uint32_t* column_mask = nullptr;
  float threshold = 0;
  int planes = 1;
  float row_max = 0;
  float leftover_max = 0;
  int8_t* codes = nullptr;
  int8_t* second = nullptr;
};

using RowMaximaFunction = void(const RowMaximaArgs&);
using QuantizeRowFunction = void(const QuantizeRowArgs&);

std::span<const Kernel<RowMaximaFunction>> row_maxima_kernels();
std::span<const Kernel<QuantizeRowFunction>> quantize_row_kernels();

}  // namespace octet::ops

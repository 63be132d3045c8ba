// Making the rows that a linear layer reads and turning them into codes, on a GPU.
#pragma once

#include <cstdint>

#include "device/gpu_memory.h"
#include "ops/activation/activation.h"
#include "ops/cuda/layout.h"
#include "ops/matmul16/matmul16.h"

namespace octet::ops::cuda {

/// What a row is: values that are there, their norm (ops/norm: the same arithmetic but for the
/// order of the sums, which depends on `columns` alone), or their activation (ops/activation).
struct RowSource {
  enum class Kind : uint8_t { values, norm, activation };
  Kind kind = Kind::values;
  const float* x = nullptr;  ///< [rows, stride]; of gated activations the gate, then up
  int64_t stride = 0;
  int64_t columns = 0;  ///< of the row that is made
  // Norm.
  const float* weight = nullptr;
  const float* bias = nullptr;
  float weight_offset = 0;
  float epsilon = 0;
  bool subtract_mean = false;
  // Activation.
  Activation activation = Activation::relu;
  bool gated = false;
};

/// What a failed check leaves for the host: the least value of (place << 32 | row), where `place`
/// says which check of a step it was.
struct ErrorMark {
  unsigned long long* mark = nullptr;
  uint32_t place = 0;
};

/// Columns of a row in 16 bits. f16: a row is scaled by the power of two that brings its largest
/// magnitude into [2^14, 2^15), plane 0 = f16(x'), plane 1 = f16(x' − plane 0), to nearest even.
/// bf16: matmul16's planes, unscaled. planes[code_row][padded / 32 · 32], padding 0.
struct SixteenBitRows {
  const int32_t* columns = nullptr;  ///< [count] ascending, or null: all
  int64_t count = 0;
  int64_t padded = 0;  ///< count to a multiple of 32: elements of a row
  SixteenBit type = SixteenBit::f16;
  int plane_count = 2;
  uint16_t* planes = nullptr;
  float* scales = nullptr;  ///< [rows] what a product of plane sums is multiplied with
};

/// x → int8 codes (ops/quantize_rows: the same codes), one block of threads for each row.
struct QuantizeRows {
  RowSource source;
  int64_t rows = 0;
  int planes = 1;
  float threshold = 0;                    ///< one plane: leftovers from here on; 0: none
  const uint32_t* column_mask = nullptr;  ///< as RowMaximaArgs
  int64_t k = 0;                          ///< padded columns
  int8_t* codes = nullptr;                ///< [code_rows][k]
  float* row_factors = nullptr;           ///< [rows] c/127 or c/16256
  // Leftovers: rows that have some take the next extra row, in any order.
  int32_t* extra_count = nullptr;  ///< 0 before; null without a threshold
  int32_t* extra_slots = nullptr;  ///< [rows] its extra row, or −1
  int8_t* extra_codes = nullptr;   ///< [rows, a multiple of 16][k]
  float* extra_factors = nullptr;  ///< [rows] leftover_max/127
  SixteenBitRows kept;             ///< count 0: none
  ErrorMark error;                 ///< a value that is not finite or beyond kLargestActivation
};
void quantize_rows(const QuantizeRows& args, device::Stream stream);

/// x → 16-bit planes of all columns.
void split_rows(const RowSource& source, int64_t rows, const SixteenBitRows& out,
                const ErrorMark& error, device::Stream stream);

/// x → floats out[rows, out_stride]; out may be x.
void make_rows(const RowSource& source, int64_t rows, float* out, int64_t out_stride,
               const ErrorMark& error, device::Stream stream);

}  // namespace octet::ops::cuda

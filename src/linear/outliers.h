// The columns of a call that are multiplied in 16 bits (LLM.int8(), Eq. 8): which, and how.
#pragma once

#include <cstdint>
#include <span>

#include "linear/linear.h"
#include "linear/tiling.h"

namespace octet::linear {

/// Input columns that are no part of the int8 product of a call.
struct SixteenBitColumns {
  std::span<const int32_t> columns;  ///< ascending; may be empty
  const uint32_t* mask = nullptr;    ///< [inputs] 0 for these columns, else ~0; null when empty
  const uint16_t* panels = nullptr;  ///< their weights, [n16/16][padded()/2][16][2]
  ops::SixteenBit type = ops::SixteenBit::f16;
  /// [n16] what the products are multiplied by, where `panels` are codes; null: nothing.
  const float* factors = nullptr;

  int64_t count() const { return static_cast<int64_t>(columns.size()); }
  int64_t padded() const { return ops::padded(count(), ops::kMatmul16KStep); }
};

/// The kept columns of the layer or, with `batch`, those find_outlier_columns left in `workspace`.
SixteenBitColumns sixteen_bit_columns(const Linear& linear, const Workspace& workspace);

/// Whether a call finds its own outlier columns.
bool finds_outlier_columns(const Precision& precision);

/// `batch`: finds the columns in which some row reaches the threshold and takes their weights from
/// the 16-bit originals (where the checkpoint had none, as bitsandbytes does, the int8 codes) into
/// a small packed matrix, all in `workspace`.
void find_outlier_columns(device::Cpu& cpu, const Linear& linear, tensor::MatrixView<const float> x,
                          Workspace& workspace);

/// Rounds x to f16 into workspace.rounded, but for outlier columns and what f16 cannot hold.
tensor::MatrixView<const float> round_inputs(device::Cpu& cpu, tensor::MatrixView<const float> x,
                                             Workspace& workspace);

/// True when all of the row's values in `columns` are finite and within kLargestActivation.
bool in_range(const float* row, std::span<const int32_t> columns);

/// Splits these columns of row r of x into bfloat16 planes at workspace.planes (row r of 2·padded()
/// elements); `thread` picks the scratch memory. reserve_planes makes room first.
void reserve_planes(const SixteenBitColumns& sixteen_bit, int64_t rows, int threads,
                    Workspace& workspace);
void split_columns(const Linear& linear, const SixteenBitColumns& sixteen_bit, const float* row,
                   int64_t r, int thread, Workspace& workspace);

/// Their product for one tile, from workspace.planes; rows of `out` are `stride` apart.
void multiply_columns(const Linear& linear, const SixteenBitColumns& sixteen_bit, const Tile& tile,
                      const Workspace& workspace, float* out, int64_t stride);

}  // namespace octet::linear

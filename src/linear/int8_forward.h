// A call of an absmax int8 layer: the three phases, cut into tiles.
#pragma once

#include "linear/linear.h"
#include "linear/outliers.h"
#include "linear/tiling.h"

namespace octet::linear {

/// The phases of one call, over a layer and the workspace that carries their results.
class Int8Forward {
 public:
  Int8Forward(device::Cpu& cpu, const Linear& linear, const LinearCall& call, Workspace& workspace);

  /// Phase 1. Returns the first row that is not finite, or −1.
  int64_t row_maxima(tensor::MatrixView<const float> x);
  /// First half of phase 2: codes, and bfloat16 planes of the 16-bit columns.
  void quantize(tensor::MatrixView<const float> x);
  /// Both, with call.make_row before; a row at a time where no row's codes wait for other rows'
  /// maxima. Returns what row_maxima returns.
  int64_t row_maxima_and_codes(tensor::MatrixView<const float> x);
  /// Second half of phase 2, into whole matrices in the workspace.
  void multiply(int64_t rows);
  /// Phase 3 from those matrices.
  void finish(tensor::MatrixView<float> out);
  /// The second half of phase 2 and phase 3 tile by tile; sums stay in a thread's cache.
  void multiply_and_finish(tensor::MatrixView<float> out);

 private:
  /// Where a tile's results of phase 2 lie.
  struct Sums {
    int32_t* sums;    ///< of the first code row of the tile
    float* products;  ///< of its first row; null without 16-bit columns
    int64_t stride;   ///< between rows of both
  };
  Tiling tiling(int64_t rows) const;
  Sums whole(const Tile& tile) const;
  void multiply_tile(const Tile& tile, const Sums& to) const;
  void finish_tile(const Tile& tile, const Sums& from, tensor::MatrixView<float> out) const;
  /// Phase 1 of one row; an infinite row_max marks one that is out of range.
  void row_maximum(const float* row, int64_t r, const SixteenBitColumns& sixteen_bit) const;
  /// After phase 1 of all rows: one scale for all where the method wants it; the first bad row.
  int64_t settle_maxima(int64_t rows);
  void reserve_codes(int64_t rows);
  void quantize_row(const float* row, int64_t r, int thread) const;
  /// Decides which rows get a second code row.
  void place_code_rows(int64_t rows);
  bool row_in_range(int64_t r) const { return workspace_.row_max[r] <= kLargestActivation; }

  device::Cpu& cpu_;
  const Linear& linear_;
  const LinearCall& call_;
  Workspace& workspace_;
  int planes_;
  bool rounds_;      ///< x to f16, as bitsandbytes does
  float threshold_;  ///< elements that reach it go into an extra row; 0: none do
  int64_t k_;        ///< padded inputs
  int64_t panels_;
};

}  // namespace octet::linear

// How a layer's rows × weight panels are cut into tasks for a team of threads.
#pragma once

#include <cstdint>

#include "device/cpu.h"
#include "ops/int8_matmul/int8_matmul.h"

namespace octet::linear {

/// Rows [row, row_end) times weight panels [panel, panel_end), done by `thread`.
struct Tile {
  int64_t row = 0;
  int64_t row_end = 0;
  int64_t panel = 0;
  int64_t panel_end = 0;
  int thread = 0;

  int64_t rows() const { return row_end - row; }
  int64_t panels() const { return panel_end - panel; }
  int64_t column() const { return panel * ops::kPanelColumns; }
  int64_t columns() const { return panels() * ops::kPanelColumns; }
};

class Tiling {
 public:
  /// `rows_per_row`: rows of the product behind one row of x (2 with two planes). A tile's sums,
  /// elements() of 4 bytes, fit a part of a thread's L2 cache.
  Tiling(int64_t rows, int64_t rows_per_row, int64_t panels, int threads);

  /// Most elements of the product in one tile.
  int64_t elements() const {
    return row_block_ * rows_per_row_ * panel_block_ * ops::kPanelColumns;
  }

  /// Calls function(const Tile&) for every tile on the team's threads.
  void for_each(device::Cpu& cpu, device::FunctionRef<void(const Tile&)> function) const;

 private:
  int64_t rows_;
  int64_t rows_per_row_;
  int64_t panels_;
  int64_t row_block_ = 1;
  int64_t panel_block_ = 1;
};

/// Calls function(first, count, thread) for blocks of rows of about equal size on the team's
/// threads; on the caller alone when there is too little work to share.
void for_row_blocks(device::Cpu& cpu, int64_t rows, int64_t elements_per_row,
                    device::FunctionRef<void(int64_t, int64_t, int)> function);

}  // namespace octet::linear

// The sizes of tiles, for few rows (memory-bound) and for many (compute-bound).
#include "linear/tiling.h"

#include <algorithm>

namespace octet::linear {

namespace {

int64_t blocks_of(int64_t count, int64_t block) {
  return (count + block - 1) / block;
}

/// The size of blocks when `count` is cut into equal ones of at most `largest`, rounded up to
/// `step`.
int64_t even_block(int64_t count, int64_t largest, int64_t step) {
  return ops::padded(blocks_of(count, blocks_of(count, largest)), step);
}

/// Up to this many rows the weights' bytes are what costs: threads share no rows, only panels.
constexpr int64_t kFewRows = 32;
/// Kernels stream four panels at a time, and take what is left by two.
constexpr int64_t kPanelStreams = 4;
constexpr int64_t kPanelStep = 2;
/// The size of panel blocks, `smallest` or somewhat more, that gives no thread more panels than the
/// others where that is possible: a layer's last tasks are what its threads wait for.
int64_t shared_block(int64_t panels, int64_t smallest, int64_t largest, int threads) {
  const auto panels_of_one_thread = [&](int64_t block) {
    return blocks_of(blocks_of(panels, block), threads) * block;
  };
  int64_t best = smallest;
  for (int64_t block = smallest; block <= largest; block += kPanelStep) {
    if (panels_of_one_thread(block) < panels_of_one_thread(best)) best = block;
  }
  return best;
}

constexpr int64_t kLargestTileElements = int64_t{256} * 512;  // 512 KB

}  // namespace

Tiling::Tiling(int64_t rows, int64_t rows_per_row, int64_t panels, int threads)
    : rows_(rows), rows_per_row_(rows_per_row), panels_(panels) {
  if (rows == 0 || panels == 0) return;
  const int64_t product_rows = rows * rows_per_row;
  if (product_rows <= kFewRows) {
    // About eight tasks a thread, so that one that starts late does not keep the others waiting.
    const int64_t largest = kLargestTileElements / (product_rows * ops::kPanelColumns);
    const int64_t smallest =
        std::min(largest, ops::padded(blocks_of(panels, int64_t{threads} * 8), kPanelStreams));
    row_block_ = rows;
    panel_block_ = shared_block(panels, smallest, std::min(largest, 2 * smallest), threads);
    return;
  }
  row_block_ = even_block(rows, 256 / rows_per_row, 16);
  panel_block_ = even_block(panels, 32, kPanelStreams);
  // Smaller tiles until every thread has a few, rows first: then threads share panels in the cache.
  const auto too_few = [&] {
    return blocks_of(rows, row_block_) * blocks_of(panels, panel_block_) < int64_t{threads} * 3;
  };
  while (too_few() && row_block_ > 64) row_block_ = ops::padded(row_block_ / 2, 16);
  while (too_few() && panel_block_ > kPanelStreams) {
    panel_block_ = ops::padded(panel_block_ / 2, kPanelStreams);
  }
  while (too_few() && row_block_ > 16) row_block_ = ops::padded(row_block_ / 2, 16);
  if (row_block_ >= rows)
    panel_block_ = shared_block(panels, panel_block_, 2 * panel_block_, threads);
}

void Tiling::for_each(device::Cpu& cpu, device::FunctionRef<void(const Tile&)> function) const {
  const int64_t row_blocks = blocks_of(rows_, row_block_);
  const int64_t panel_blocks = blocks_of(panels_, panel_block_);
  // Row blocks of one panel block follow each other: threads read the same weights at that time.
  cpu.team().for_each(row_blocks * panel_blocks, [&](int64_t task, int thread) {
    const int64_t row = task % row_blocks * row_block_;
    const int64_t panel = task / row_blocks * panel_block_;
    function({.row = row,
              .row_end = std::min(rows_, row + row_block_),
              .panel = panel,
              .panel_end = std::min(panels_, panel + panel_block_),
              .thread = thread});
  });
}

void for_row_blocks(device::Cpu& cpu, int64_t rows, int64_t elements_per_row,
                    device::FunctionRef<void(int64_t, int64_t, int)> function) {
  constexpr int64_t kElementsPerTask = 8192;  // some microseconds: more than waking a thread
  const int64_t smallest = blocks_of(kElementsPerTask, std::max<int64_t>(1, elements_per_row));
  const int64_t block = std::max(smallest, blocks_of(rows, int64_t{cpu.team().size()} * 4));
  cpu.team().for_each(blocks_of(rows, block), [&](int64_t task, int thread) {
    const int64_t first = task * block;
    function(first, std::min(block, rows - first), thread);
  });
}

}  // namespace octet::linear

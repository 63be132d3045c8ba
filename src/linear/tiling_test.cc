// Tiles cover every row and panel exactly once, for any size of layer, batch and team.
#include "linear/tiling.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace octet::linear {
namespace {

TEST(Tiling, CoversEveryRowAndPanelOnceWithinItsScratch) {
  for (int threads : {1, 3}) {
    device::Cpu cpu(threads);
    for (int64_t rows : {0, 1, 2, 17, 33, 64, 129, 300, 1000}) {
      for (int64_t panels : {1, 3, 4, 36, 97, 3072}) {
        for (int64_t rows_per_row : {1, 2}) {
          const Tiling tiling(rows, rows_per_row, panels, threads);
          std::vector<std::atomic<int>> visits(static_cast<size_t>(rows * panels));
          tiling.for_each(cpu, [&](const Tile& tile) {
            EXPECT_LE(tile.rows() * rows_per_row * tile.columns(), tiling.elements());
            EXPECT_LT(tile.thread, threads);
            for (int64_t r = tile.row; r < tile.row_end; ++r) {
              for (int64_t p = tile.panel; p < tile.panel_end; ++p) {
                ++visits[static_cast<size_t>(r * panels + p)];
              }
            }
          });
          for (const auto& count : visits) ASSERT_EQ(count, 1);
          EXPECT_LE(tiling.elements(), 256 * 512 + 64 * 256);  // half a megabyte of sums, about
        }
      }
    }
  }
}

TEST(Tiling, RowBlocksCoverEveryRowOnce) {
  device::Cpu cpu(3);
  for (int64_t rows : {0, 1, 5, 100, 1000}) {
    for (int64_t columns : {1, 64, 5000, 100000}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(rows));
      for_row_blocks(cpu, rows, columns, [&](int64_t first, int64_t count, int) {
        for (int64_t r = first; r < first + count; ++r) ++visits[static_cast<size_t>(r)];
      });
      for (const auto& count : visits) ASSERT_EQ(count, 1);
    }
  }
}

}  // namespace
}  // namespace octet::linear

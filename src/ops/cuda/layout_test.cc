// The index arithmetic that kernels and the host share.
#include "ops/cuda/layout.h"

#include <gtest/gtest.h>

#include <set>

namespace octet::ops::cuda {
namespace {

TEST(GpuLayout, EveryRowAndPlaneHasACodeRowOfItsOwn) {
  for (const int planes : {1, 2}) {
    for (const int64_t rows : {1, 7, 8, 9, 16, 17, 100}) {
      std::set<int64_t> taken;
      for (int64_t row = 0; row < rows; ++row) {
        for (int plane = 0; plane < planes; ++plane) {
          const int64_t at = code_row(row, plane, planes);
          EXPECT_LT(at, code_rows(rows, planes));
          EXPECT_TRUE(taken.insert(at).second);
        }
      }
      EXPECT_EQ(code_rows(rows, planes) % kRowGroup, 0);
      EXPECT_LT(code_rows(rows, planes), rows * planes + kRowGroup);
    }
  }
}

TEST(GpuLayout, PlanesOfARowLieEightCodeRowsApart) {
  for (int64_t row = 0; row < 50; ++row) {
    EXPECT_EQ(code_row(row, 1, 2) - code_row(row, 0, 2), 8);
    EXPECT_EQ(code_row(row, 0, 2) / kRowGroup, row / 8);
  }
}

TEST(GpuLayout, SegmentsCoverAllSteps) {
  for (int64_t k_bytes = kKStepBytes; k_bytes <= 40 * kKStepBytes; k_bytes += kKStepBytes) {
    EXPECT_GE(segment_steps(k_bytes) * kSegments, k_bytes / kKStepBytes);
    EXPECT_LT((segment_steps(k_bytes) - 1) * kSegments, k_bytes / kKStepBytes);
  }
}

TEST(GpuLayout, PanelWordsArePermuted) {
  const int64_t units = 5;
  std::set<int64_t> taken;
  for (int64_t n = 0; n < 32; ++n) {
    for (int64_t unit = 0; unit < units; ++unit) taken.insert(panel_word(n, unit, units));
  }
  EXPECT_EQ(std::ssize(taken), 32 * units);
  EXPECT_EQ(*taken.rbegin(), 32 * units - 1);
  EXPECT_EQ(panel_word(17, 3, units), (units + 3) * 16 + 1);
}

}  // namespace
}  // namespace octet::ops::cuda

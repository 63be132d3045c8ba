// The list of GPUs says what there is or why there is none.
#include "device/gpu.h"

#include <gtest/gtest.h>

namespace octet::device {
namespace {

TEST(Gpu, ListHoldsGpusOrTheReasonForNone) {
  const GpuList list = list_gpus();
  EXPECT_EQ(list.gpus.empty(), !list.why_none.empty()) << list.why_none;
  for (const Gpu& gpu : list.gpus) {
    EXPECT_FALSE(gpu.name.empty());
    EXPECT_GE(gpu.capability_major, 1);
    EXPECT_GT(gpu.multiprocessors, 0);
    EXPECT_GT(gpu.memory_bytes, int64_t{1} << 20);
  }
}

}  // namespace
}  // namespace octet::device

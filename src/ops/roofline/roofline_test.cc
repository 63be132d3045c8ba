// The measuring kernels do the work they claim to have done.
#include "ops/roofline/roofline.h"

#include <gtest/gtest.h>

#include <vector>

#include "ops/kernel_testing.h"
#include "support/amx_emulator.h"

namespace octet::ops {
namespace {

/// Accumulators that repeat the 64 operand pairs n times hold n · Σ a·b.
void expect_all_multiplied(std::span<const Kernel<PeakFunction>> kernels, int64_t sum_of_64) {
  const octet::test::AmxEmulator tiles;
  for (const auto& kernel : kernels) {
    if (!octet::test::features_with_emulated_amx().has(kernel.isa)) continue;
    for (int64_t rounds : {0, 1, 7, 1000}) {
      const PeakResult result = kernel.function(rounds);
      EXPECT_EQ(result.multiply_adds % 64, 0);
      EXPECT_EQ(result.multiply_adds > 0, rounds > 0);
      EXPECT_EQ(result.checksum, static_cast<uint32_t>(result.multiply_adds / 64 * sum_of_64))
          << device::name(kernel.isa) << ", " << rounds << " rounds";
    }
  }
}

TEST(Roofline, int8PeaksMultiplyAsOftenAsTheySay) {
  const PeakOperands& operands = peak_operands();
  int64_t sum = 0;
  for (int i = 0; i < 64; ++i) sum += operands.a8[i] * operands.b8[i];
  ASSERT_NE(sum, 0);
  test::expect_vector_kernels(int8_peak_kernels());
  expect_all_multiplied(int8_peak_kernels(), sum);
}

TEST(Roofline, floatPeaksMultiplyAsOftenAsTheySay) {
  const PeakOperands& operands = peak_operands();
  int64_t sum = 0;
  for (int i = 0; i < 64; ++i) sum += static_cast<int64_t>(operands.a[i] * operands.b[i]);
  test::expect_vector_kernels(float32_peak_kernels());
  // An accumulator gets at most 32 products of at most 5 · 3 a round: 1000 rounds stay below 2^24.
  expect_all_multiplied(float32_peak_kernels(), sum);
  expect_all_multiplied(bfloat16_peak_kernels(), sum);
}

TEST(Roofline, operandsStayWithinWhatTheInstructionsMultiplyExactly) {
  const PeakOperands& operands = peak_operands();
  for (int i = 0; i < 64; ++i) {
    EXPECT_LE(operands.a8[i], 127);
    EXPECT_LE(std::abs(operands.b8[i]), 63);
  }
}

TEST(Roofline, readingMemoryReadsEveryWordOnce) {
  test::expect_vector_kernels(read_memory_kernels());
  std::mt19937_64 random(1);
  for (int64_t words : {64, 192, 4096}) {
    std::vector<uint64_t> data(static_cast<size_t>(words));
    uint64_t expected = 0;
    for (uint64_t& word : data) expected ^= word = random();
    for (const auto& kernel : test::runnable(read_memory_kernels())) {
      EXPECT_EQ(kernel.function(data.data(), words), expected) << device::name(kernel.isa);
    }
  }
}

}  // namespace
}  // namespace octet::ops

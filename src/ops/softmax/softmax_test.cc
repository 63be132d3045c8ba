// Tests of the softmax kernels: one set of bits for all of them, and the formula in long double.
#include "ops/softmax/softmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "device/thread_team.h"
#include "ops/kernel_testing.h"

namespace octet::ops {
namespace {

class SoftmaxTest : public ::testing::Test {
  device::FlushDenormals flush_;
};

struct Result {
  std::vector<float> weights;
  std::vector<float> sums;
};

Result apply(SoftmaxFunction* kernel, const std::vector<float>& x, float scale) {
  const size_t blocks = (x.size() + kSoftmaxBlock - 1) / kSoftmaxBlock;
  Result result{std::vector<float>(x.size() + 16, 7.0f), std::vector<float>(blocks + 1, 7.0f)};
  SoftmaxArgs args{.x = x.data(),
                   .count = std::ssize(x),
                   .highest = x.empty() ? 0 : *std::ranges::max_element(x),
                   .scale = scale,
                   .weights = result.weights.data(),
                   .sums = result.sums.data()};
  kernel(args);
  for (size_t i = x.size(); i < result.weights.size(); ++i)
    EXPECT_EQ(result.weights[i], 7.0f) << "wrote past the end";
  EXPECT_EQ(result.sums[blocks], 7.0f) << "wrote past the end";
  result.weights.resize(x.size());
  result.sums.resize(blocks);
  std::vector<float> alone(blocks);
  args.weights = nullptr;
  args.sums = alone.data();
  kernel(args);
  EXPECT_TRUE(test::same_bits(alone, result.sums));
  return result;
}

TEST_F(SoftmaxTest, EveryInstructionSetGivesTheSameBits) {
  test::expect_vector_kernels(softmax_kernels());
  const auto kernels = test::runnable(softmax_kernels());
  for (const int64_t count : {0, 1, 15, 16, 17, 255, 256, 257, 1000, 4096}) {
    for (const float scale : {1.0f, .125f, 3.7f, 1e30f}) {
      std::vector<float> x = test::normal_floats(count, static_cast<uint32_t>(count), 9);
      for (size_t i = 5; i < x.size(); i += 37) x[i] = -std::numeric_limits<float>::infinity();
      const Result expected = apply(kernels[0].function, x, scale);
      for (const auto& kernel : kernels) {
        const Result got = apply(kernel.function, x, scale);
        EXPECT_TRUE(test::same_bits(got.weights, expected.weights)) << count << ", " << scale;
        EXPECT_TRUE(test::same_bits(got.sums, expected.sums)) << count << ", " << scale;
      }
    }
  }
}

TEST_F(SoftmaxTest, WeightsAndSumsFollowTheFormula) {
  const std::vector<float> x = test::normal_floats(700, 3, 6);
  const long double highest = *std::ranges::max_element(x);
  for (const auto& kernel : test::runnable(softmax_kernels())) {
    const Result got = apply(kernel.function, x, .75f);
    long double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const long double exponent = (x[i] - highest) * .75L;
      const long double exact = std::exp(exponent);
      // Two roundings of the exponent, and 0.9 ulp of the exponential.
      const long double bound = exact * (std::abs(exponent) * 0x1p-23L + .9L * 0x1p-23L);
      EXPECT_NEAR(got.weights[i], exact, bound);
      sum += got.weights[i];
      if ((i + 1) % kSoftmaxBlock != 0 && i + 1 != x.size()) continue;
      // 16 terms a lane and four levels of the tree, each rounding by 2^-24.
      EXPECT_NEAR(got.sums[i / kSoftmaxBlock], sum, sum * 20 * 0x1p-24L);
      sum = 0;
    }
  }
}

}  // namespace
}  // namespace octet::ops

// Symmetric quantisation: worked values, rounding, limits and the bound on its error.
#include "quant/absmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace octet::quant {
namespace {

std::vector<int8_t> codes_of(const std::vector<float>& x, float c) {
  std::vector<int8_t> codes(x.size());
  quantize_absmax(x, c, codes);
  return codes;
}

TEST(Absmax, ScaleIsTheLargestMagnitude) {
  EXPECT_EQ(absmax_scale(std::vector<float>{1.5f, -3.25f, 0.0f}), 3.25f);
  EXPECT_EQ(absmax_scale({}), 0.0f);
}

TEST(Absmax, LargestMagnitudeGets127AndTiesGoToEven) {
  // c = 127 makes the multiplier exactly 1, so the codes are the values rounded.
  ASSERT_EQ(absmax_multiplier(127.0f), 1.0f / 127.0f * 127.0f);
  const std::vector<float> x = {127, -127, 0, 1.5f, 2.5f, -2.5f, -3.5f, 0.5f};
  EXPECT_EQ(codes_of(x, 127.0f), (std::vector<int8_t>{127, -127, 0, 2, 2, -2, -4, 0}));
}

TEST(Absmax, NeverUsesMinus128EvenWhenTheScaleIsTooSmall) {
  EXPECT_EQ(codes_of({-10, 10, -1.01f}, 1.0f), (std::vector<int8_t>{-127, 127, -127}));
}

TEST(Absmax, ZeroAndVanishingScalesGiveZeros) {
  EXPECT_EQ(codes_of({0, 0}, 0.0f), (std::vector<int8_t>{0, 0}));
  const float tiny = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(codes_of({tiny, -tiny}, tiny), (std::vector<int8_t>{0, 0}));
}

TEST(Absmax, ErrorIsAtMostHalfAStepPlusRounding) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> x(64);
    for (float& value : x) value = normal(random);
    const float c = absmax_scale(x);
    const std::vector<int8_t> codes = codes_of(x, c);
    for (size_t i = 0; i < x.size(); ++i) {
      // Half a step, and 4 roundings (1/c, ·127, ·x, c/127·code) of values up to c: 4·2^-24·c.
      EXPECT_LE(std::fabs(dequantize_absmax(codes[i], c) - x[i]),
                0.5f * c / 127.0f + 4 * 0x1p-24f * c);
    }
  }
}

TEST(Absmax, TwoPlanesHoldTheFifteenBitCode) {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> uniform(-5, 5);
  std::vector<float> x(4000);
  for (float& value : x) value = uniform(random);
  x[0] = 5;
  x[1] = -5;
  std::vector<int8_t> hi(x.size());
  std::vector<int8_t> lo(x.size());
  quantize_absmax_planes(x, 5.0f, hi, lo);
  const float multiplier = absmax_multiplier(5.0f, kTwoPlanesMax);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(128 * hi[i] + lo[i], quantize_value(x[i], multiplier, kTwoPlanesMax));
    EXPECT_LE(std::abs(hi[i]), 127);
    EXPECT_GE(lo[i], -64);
    EXPECT_LE(lo[i], 63);
  }
  EXPECT_EQ(128 * hi[0] + lo[0], 16256);
  EXPECT_EQ(128 * hi[1] + lo[1], -16256);
}

}  // namespace
}  // namespace octet::quant

// Asymmetric quantisation: the range fills the codes, zero is exact, the error is half a step.
#include "quant/zeropoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace octet::quant {
namespace {

TEST(Zeropoint, TheRangeFillsTheCodes) {
  // max − min = 254 makes nd = 1 (up to rounding of 1/127): zero = −rint(−54) − 127 = −73.
  const std::vector<float> x = {-54, 200, 0, 10};
  const ZeropointParams params = zeropoint_params(x);
  EXPECT_EQ(params.half_range, 127.0f);
  EXPECT_EQ(params.zero, -73);
  std::vector<int8_t> codes(x.size());
  quantize_zeropoint(x, params, codes);
  EXPECT_EQ(codes, (std::vector<int8_t>{-127, 127, -73, -63}));
}

TEST(Zeropoint, OneSidedValuesUseAllCodesAndTheRangeIncludesZero) {
  const ZeropointParams positive = zeropoint_params(std::vector<float>{1, 2, 4});
  EXPECT_EQ(positive.zero, -127);
  EXPECT_EQ(quantize_zeropoint_value(4, positive), 127);
  const ZeropointParams negative = zeropoint_params(std::vector<float>{-4, -1});
  EXPECT_EQ(negative.zero, 127);
  EXPECT_EQ(quantize_zeropoint_value(-4, negative), -127);
}

TEST(Zeropoint, AllZeroValuesGiveZeros) {
  const ZeropointParams params = zeropoint_params(std::vector<float>{0, 0, 0});
  EXPECT_EQ(quantize_zeropoint_value(0, params), params.zero);
  EXPECT_EQ(dequantize_zeropoint(params.zero, params), 0.0f);
}

TEST(Zeropoint, ZeroIsExactAndTheErrorAtMostOneStep) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.7f, 2);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> x(50);
    for (float& value : x) value = normal(random);
    const ZeropointParams params = zeropoint_params(x);
    EXPECT_EQ(dequantize_zeropoint(quantize_zeropoint_value(0, params), params), 0.0f);
    const float step = params.half_range / 127.0f;
    const auto [min, max] = std::minmax_element(x.begin(), x.end());
    for (float value : x) {
      const int32_t code = quantize_zeropoint_value(value, params);
      EXPECT_LE(std::abs(code), 127);
      // Half a step; the code at the end of the range may be clamped by one more. Four roundings
      // of magnitudes up to 2·half_range each.
      const bool at_an_end = value == *min || value == *max || code == 127 || code == -127;
      EXPECT_LE(std::fabs(dequantize_zeropoint(code, params) - value),
                (at_an_end ? 1.0f : 0.5f) * step + 8 * 0x1p-24f * params.half_range);
    }
  }
}

TEST(Zeropoint, TheFullFloatRangeDoesNotOverflow) {
  const ZeropointParams params = zeropoint_params(-3e38f, 3e38f);
  EXPECT_TRUE(std::isfinite(params.half_range));
}

}  // namespace
}  // namespace octet::quant

// Integer products against their definition, and the 16-bit product against its order and error.
#include "quant/product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "quant/decomposition.h"

namespace octet::quant {
namespace {

std::vector<int8_t> random_codes(std::mt19937& random, size_t count) {
  std::uniform_int_distribution<int> uniform(-127, 127);
  std::vector<int8_t> codes(count);
  for (int8_t& code : codes) code = static_cast<int8_t>(uniform(random));
  return codes;
}

TEST(Product, Int32SumsAreTheDefinition) {
  const std::vector<int8_t> a = {1, -2, 3, 127, 127, 127};
  const std::vector<int8_t> b = {4, 5, 6, -127, -127, -127};
  EXPECT_EQ(matmul_int32({a.data(), 2, 3}, {b.data(), 2, 3}),
            (std::vector<int32_t>{12, -254, 1905, -48387}));
}

TEST(Product, FourTermsEqualTheProductOfDifferencesBeyondInt32) {
  std::mt19937 random(4);
  const int64_t k = 60000;
  std::vector<int8_t> a = random_codes(random, static_cast<size_t>(k));
  std::vector<int8_t> b(static_cast<size_t>(k), int8_t{127});
  for (size_t i = 0; i < a.size(); i += 2) a[i] = 127;
  const std::vector<int32_t> a_zeros = {-127};
  const std::vector<int32_t> b_zeros = {-127};
  int64_t expected = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    expected += (int64_t{a[i]} - a_zeros[0]) * (int64_t{b[i]} - b_zeros[0]);
  }
  ASSERT_GT(expected, int64_t{1} << 31);
  EXPECT_EQ(matmul_zeropoint({a.data(), 1, k}, a_zeros, {b.data(), 1, k}, b_zeros),
            std::vector<int64_t>{expected});
}

TEST(Product, SixteenBitProductOfOneBlockIsTwoFusedChains) {
  // Even elements: 1·2^24 then + 1·1, lost in float32; odd elements keep their 1. A plain chain
  // over all four values would lose both.
  const std::vector<float> x = {0x1p24f, 1, 1, 0};
  const std::vector<float> w = {1, 1, 1, 1};
  EXPECT_EQ(product16(x, 1, w, SixteenBit::bf16), 0x1p24f + 0.0f);
  const std::vector<float> y = {0x1p24f, 1, 0, 1};
  EXPECT_EQ(product16(y, 1, w, SixteenBit::bf16), 0x1p24f + 2.0f);
}

TEST(Product, TwoPlanesOfActivationsCarrySixteenBitsOfMantissa) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 1);
  const size_t k = 200;
  std::vector<float> x(k), w(k);
  double exact = 0;
  double magnitudes = 0;
  for (size_t i = 0; i < k; ++i) {
    x[i] = normal(random);
    w[i] = round_to_sixteen_bit(normal(random), SixteenBit::f16);
    exact += double{x[i]} * w[i];
    magnitudes += std::fabs(double{x[i]} * w[i]);
  }
  // Two bf16 planes leave a relative rest of 2^-9 · 2^-9 of x; the term lo·lo (2^-8 · 2^-8, w is
  // truncated) is not formed; k/2 + 3·7 additions of partial sums no larger than `magnitudes`.
  const double bound = magnitudes * (0x1p-18 + 0x1p-16 + (k / 2.0 + 21) * 0x1p-24);
  EXPECT_NEAR(product16(x, 2, w, SixteenBit::f16), exact, bound);
}

TEST(Decomposition, ColumnsAreOutliersWhereAnyRowReachesAlpha) {
  const std::vector<float> x = {0, 5.9f, -6, 1,  //
                                7, 5.9f, 0,  0.5f};
  const tensor::MatrixView<const float> view(x.data(), 2, 4);
  EXPECT_EQ(outlier_columns(view, 6.0f), (std::vector<int32_t>{0, 2}));
  EXPECT_TRUE(outlier_columns(view, 0.0f).empty());
  EXPECT_EQ(bitsandbytes_row_scale({x.data(), 4}, 6.0f), 5.9f);
  EXPECT_EQ(bitsandbytes_row_scale({x.data(), 4}, 0.0f), 6.0f);
}

}  // namespace
}  // namespace octet::quant

// Tests of the activations: one set of bits, the formulas in long double, the names of configs.
#include "ops/activation/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "device/thread_team.h"
#include "ops/kernel_testing.h"

namespace octet::ops {
namespace {

class ActivationTest : public ::testing::Test {
  device::FlushDenormals flush_;
};

constexpr Activation kAll[] = {Activation::relu,       Activation::silu,
                               Activation::gelu,       Activation::gelu_tanh,
                               Activation::quick_gelu, Activation::relu_squared};

std::vector<float> activated(ActivationFunction* kernel, Activation kind,
                             const std::vector<float>& x, const std::vector<float>& up = {}) {
  std::vector<float> out(x.size() + 16, 7.0f);
  kernel({.kind = kind,
          .x = x.data(),
          .up = up.empty() ? nullptr : up.data(),
          .columns = static_cast<int64_t>(x.size()),
          .out = out.data()});
  for (size_t i = x.size(); i < out.size(); ++i) EXPECT_EQ(out[i], 7.0f) << "wrote past the end";
  out.resize(x.size());
  return out;
}

/// All binades, densely where the functions bend, and special values.
std::vector<float> inputs() {
  std::vector<float> x = test::special_floats();
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += 100003) {
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  for (uint32_t bits = 0x3a000000u; bits < 0x43000000u; bits += 1511) {
    x.push_back(std::bit_cast<float>(bits));
    x.push_back(-x.back());
  }
  return x;
}

TEST_F(ActivationTest, EveryInstructionSetGivesTheScalarBits) {
  test::expect_vector_kernels(activation_kernels());
  const auto kernels = test::runnable(activation_kernels());
  const std::vector<float> x = inputs();
  for (Activation kind : kAll) {
    const std::vector<float> expected = activated(kernels[0].function, kind, x);
    for (const auto& kernel : kernels) {
      ASSERT_TRUE(test::same_bits(activated(kernel.function, kind, x), expected))
          << device::name(kernel.isa) << ", activation " << static_cast<int>(kind);
    }
  }
}

TEST_F(ActivationTest, AnyNumberOfColumnsAndAGateAreMultipliedInPlace) {
  const auto kernels = test::runnable(activation_kernels());
  for (Activation kind : kAll) {
    for (int64_t columns = 1; columns <= 70; ++columns) {
      const std::vector<float> x = test::normal_floats(columns, 1, 3.0f);
      const std::vector<float> up = test::normal_floats(columns, 2);
      std::vector<float> expected = activated(kernels[0].function, kind, x);
      for (size_t i = 0; i < x.size(); ++i) expected[i] = expected[i] * up[i];
      for (const auto& kernel : kernels) {
        ASSERT_TRUE(test::same_bits(activated(kernel.function, kind, x, up), expected))
            << device::name(kernel.isa) << ", " << columns << " columns";
        std::vector<float> over_x = x;
        kernel.function({.kind = kind,
                         .x = over_x.data(),
                         .up = up.data(),
                         .columns = columns,
                         .out = over_x.data()});
        ASSERT_TRUE(test::same_bits(over_x, expected));
        std::vector<float> over_up = up;
        kernel.function({.kind = kind,
                         .x = x.data(),
                         .up = over_up.data(),
                         .columns = columns,
                         .out = over_up.data()});
        ASSERT_TRUE(test::same_bits(over_up, expected));
      }
    }
  }
}

/// |scalar kernel − exact| ≤ bound(x, exact) on all finite inputs; 2^-126 more, because denormal
/// results are zero.
void expect_accurate(Activation kind, const std::function<long double(long double)>& exact,
                     const std::function<long double(long double, long double)>& bound) {
  const std::vector<float> x = inputs();
  const std::vector<float> out = activated(activation_kernels()[0].function, kind, x);
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) continue;
    const long double want = exact(x[i]);
    if (std::abs(want) > std::numeric_limits<float>::max()) {
      ASSERT_TRUE(std::isinf(out[i])) << x[i];
      continue;
    }
    ASSERT_LE(std::abs(out[i] - want), bound(x[i], want) + 0x1p-126L)
        << "x = " << x[i] << ": " << out[i] << " for " << want;
  }
}

constexpr long double kUnit = 0x1p-24L;  // half an ulp is at most this much of a value

TEST_F(ActivationTest, ReluIsExactAndItsSquareRoundedOnce) {
  expect_accurate(
      Activation::relu, [](long double x) { return std::max(x, 0.0L); },
      [](long double, long double) { return 0.0L; });
  expect_accurate(
      Activation::relu_squared, [](long double x) { return x > 0 ? x * x : 0.0L; },
      [](long double, long double y) { return kUnit * y; });
}

// x/(1+e^t): the exponential is within 0.9 ulp (1.8 units), and counts by e^t/(1+e^t) < 1; the sum
// and the quotient are half an ulp each. Where e^t passes the largest float, the result is zero for
// a value below |x|·2^-128.
TEST_F(ActivationTest, SiluIsWithinItsRoundings) {
  expect_accurate(
      Activation::silu, [](long double x) { return x / (1 + std::exp(-x)); },
      [](long double x, long double y) {
        return 3.81L * kUnit * std::abs(y) + std::abs(x) * 0x1p-128L;
      });
}

// As silu; besides, t = −1.702x is off by the rounding of 1.702 and of the product, which the
// exponential multiplies by |t|.
TEST_F(ActivationTest, QuickGeluIsWithinItsRoundings) {
  expect_accurate(
      Activation::quick_gelu, [](long double x) { return x / (1 + std::exp(-1.702L * x)); },
      [](long double x, long double y) {
        const long double argument = x < 0 ? 2.02L * 1.702L * std::abs(x) : 2.0L;
        return (3.81L + argument) * kUnit * std::abs(y) + std::abs(x) * 0x1p-127L;
      });
}

// ½x(1+erf z): erf is within 1.08 ulp of a value below 1 (1.08 units); z = x·√½ is off by two
// roundings, counting by z·erf'(z) ≤ 0.49; 1 + erf is rounded to a unit, the product to a unit of
// itself. Below 1 + erf = 0 cancellation leaves the same absolute error.
TEST_F(ActivationTest, GeluIsWithinItsRoundings) {
  expect_accurate(
      Activation::gelu, [](long double x) { return 0.5L * x * std::erfc(-x * std::sqrt(0.5L)); },
      [](long double x, long double y) {
        return kUnit * (0.5L * std::abs(x) * (1.08L + 2 * 0.49L + 1) + std::abs(y));
      });
}

// As gelu; tanh is within 1.37 ulp, and its argument off by six roundings (two in the cube, one
// each for both constants, the sum and the product), counting by z·tanh'(z) ≤ 0.45.
TEST_F(ActivationTest, GeluTanhIsWithinItsRoundings) {
  expect_accurate(
      Activation::gelu_tanh,
      [](long double x) {
        const long double z = std::sqrt(2 / std::acos(-1.0L)) * (x + 0.044715L * x * x * x);
        return x / (1 + std::exp(-2 * z));
      },
      [](long double x, long double y) {
        return kUnit * (0.5L * std::abs(x) * (1.37L + 6 * 0.45L + 1) + std::abs(y));
      });
}

TEST_F(ActivationTest, NanStaysNan) {
  for (const auto& kernel : test::runnable(activation_kernels())) {
    for (Activation kind : kAll) {
      EXPECT_TRUE(std::isnan(activated(kernel.function, kind, {std::nanf("")})[0]));
    }
  }
}

TEST_F(ActivationTest, ConfigsNameTheActivations) {
  EXPECT_EQ(parse_activation("relu"), Activation::relu);
  EXPECT_EQ(parse_activation("relu2"), Activation::relu_squared);
  EXPECT_EQ(parse_activation("silu"), Activation::silu);
  EXPECT_EQ(parse_activation("swish"), Activation::silu);
  EXPECT_EQ(parse_activation("gelu"), Activation::gelu);
  EXPECT_EQ(parse_activation("gelu_python"), Activation::gelu);
  EXPECT_EQ(parse_activation("gelu_new"), Activation::gelu_tanh);
  EXPECT_EQ(parse_activation("gelu_fast"), Activation::gelu_tanh);
  EXPECT_EQ(parse_activation("gelu_pytorch_tanh"), Activation::gelu_tanh);
  EXPECT_EQ(parse_activation("quick_gelu"), Activation::quick_gelu);
  EXPECT_EQ(parse_activation("mish"), std::nullopt);
  EXPECT_EQ(parse_activation(""), std::nullopt);
  EXPECT_EQ(parse_activation("GELU"), std::nullopt);
}

}  // namespace
}  // namespace octet::ops

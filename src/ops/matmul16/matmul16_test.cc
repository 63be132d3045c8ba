// The 16-bit product: every kernel against the scalar one bit for bit, that one against exact
// sums, and the layouts it reads.
#include "ops/matmul16/matmul16.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/half.h"
#include "device/thread_team.h"
#include "ops/matmul16/kernels.h"
#include "support/amx_emulator.h"

namespace octet::ops {
namespace {

using device::Isa;
using Random = std::mt19937;

int64_t pick(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

// A finite bfloat16 or f16 weight: mostly ordinary, sometimes zero, subnormal or the largest.
uint16_t random_weight(Random& random, SixteenBit type) {
  const float x = std::normal_distribution<float>(0, 1)(random);
  const auto sign = static_cast<uint16_t>(pick(random, 0, 1) << 15);
  switch (pick(random, 0, 15)) {
    case 0:
      return sign;
    case 1:
      return type == SixteenBit::f16 ? sign | static_cast<uint16_t>(pick(random, 1, 0x3ff))
                                     : float_to_bf16(x * 1e-30f);
    case 2:
      return type == SixteenBit::f16 ? sign | 0x7bff : float_to_bf16(x * 1e4f);
    default:
      return type == SixteenBit::f16 ? float_to_f16(x) : float_to_bf16(x);
  }
}

// Activations of very different sizes; with `tiny` also such that products and sums underflow.
float random_activation(Random& random, bool tiny) {
  const float x = std::normal_distribution<float>(0, 1)(random);
  switch (pick(random, 0, 9)) {
    case 0:
      return 0.0f;
    case 1:
      return x * 300.0f;
    case 2:
      return tiny ? std::ldexp(x, -static_cast<int>(pick(random, 100, 140))) : x * 1e-3f;
    default:
      return x;
  }
}

struct Case {
  int64_t rows, k, panels;
  int planes;
  SixteenBit type;
  bool accumulate;
  int64_t k_used;
  int64_t a_stride, c_stride;
  std::vector<uint16_t> a, b;
  std::vector<float> start;  // what c holds before

  Matmul16Args args(std::vector<float>& c) const {
    c = start;
    return {a.data(), a_stride, planes,   rows,     k,          b.data(),
            type,     panels,   c.data(), c_stride, accumulate, k_used};
  }
};

Case random_case(Random& random, bool tiny) {
  Case result{};
  result.rows = pick(random, 0, 3) == 0 ? pick(random, 17, 150) : pick(random, 0, 20);
  result.k = kMatmul16KStep * (pick(random, 0, 9) == 0 ? pick(random, 17, 40) : pick(random, 0, 8));
  result.panels = pick(random, 0, 11);
  result.planes = static_cast<int>(pick(random, 1, 2));
  result.type = pick(random, 0, 1) == 0 ? SixteenBit::f16 : SixteenBit::bf16;
  result.accumulate = pick(random, 0, 1) == 0;
  if (pick(random, 0, 1) == 0) result.k_used = pick(random, 0, result.k);
  result.a_stride = result.planes * result.k + pick(random, 0, 3);
  result.c_stride = result.panels * kPanelColumns + pick(random, 0, 3);
  result.a.resize(static_cast<size_t>(result.rows * result.a_stride));
  std::vector<float> x(static_cast<size_t>(result.k));
  for (int64_t r = 0; r < result.rows; ++r) {
    for (float& value : x) value = random_activation(random, tiny);
    if (result.k_used > 0) std::fill(x.begin() + result.k_used, x.end(), 0.0f);
    split_planes_scalar({x.data(), result.k, result.planes, result.a.data() + r * result.a_stride});
  }
  result.b.resize(static_cast<size_t>(result.panels * kPanelColumns * result.k));
  for (uint16_t& weight : result.b) weight = random_weight(random, result.type);
  result.start.resize(static_cast<size_t>(result.rows * result.c_stride));
  for (float& value : result.start) value = random_activation(random, tiny);
  return result;
}

::testing::AssertionResult same_bits(const std::vector<float>& expected,
                                     const std::vector<float>& actual) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::bit_cast<uint32_t>(expected[i]) != std::bit_cast<uint32_t>(actual[i])) {
      return ::testing::AssertionFailure()
             << "element " << i << ": " << expected[i] << " against " << actual[i];
    }
  }
  return ::testing::AssertionSuccess();
}

// Runs under the conditions of a thread team; AMX is emulated where the machine lacks it.
class Matmul16 : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!features_.has(GetParam())) GTEST_SKIP() << "no " << name(GetParam()) << " here";
  }
  template <typename Function>
  Function* kernel(std::span<const Kernel<Function>> kernels) const {
    const Kernel<Function>& chosen = choose(kernels, features_.up_to(GetParam()));
    EXPECT_EQ(chosen.isa, GetParam());
    return chosen.function;
  }

  const test::AmxEmulator emulator_;
  const device::CpuFeatures features_ = test::features_with_emulated_amx();
  const device::FlushDenormals flush_;
};

TEST_P(Matmul16, GivesTheBitsOfTheScalarKernel) {
  Matmul16Function* const function = kernel(matmul16_kernels());
  Random random(16);
  std::vector<float> expected;
  std::vector<float> actual;
  for (int i = 0; i < 300; ++i) {
    const Case one = random_case(random, i % 4 == 0);
    matmul16_scalar(one.args(expected));
    function(one.args(actual));
    ASSERT_TRUE(same_bits(expected, actual))
        << "rows " << one.rows << " k " << one.k << " panels " << one.panels << " planes "
        << one.planes << " f16 " << (one.type == SixteenBit::f16) << " accumulate "
        << one.accumulate;
  }
}

TEST_P(Matmul16, RowsDoNotDependOnEachOther) {
  Matmul16Function* const function = kernel(matmul16_kernels());
  Random random(17);
  std::vector<float> together;
  std::vector<float> apart;
  for (int i = 0; i < 30; ++i) {
    const Case one = random_case(random, false);
    function(one.args(together));
    const Matmul16Args all = one.args(apart);
    for (int64_t first = 0; first < one.rows;) {
      Matmul16Args part = all;
      part.rows = std::min(one.rows - first, pick(random, 1, 40));
      part.a += first * one.a_stride;
      part.c += first * one.c_stride;
      function(part);
      first += part.rows;
    }
    ASSERT_TRUE(same_bits(together, apart));
  }
}

TEST_P(Matmul16, MultipliesEveryFiniteF16WeightByOneExactly) {
  constexpr int64_t kK = kMatmul16KStep;
  constexpr int64_t kPanels = 0x7c00 * 2 / (kK * kPanelColumns);
  std::vector<uint16_t> b(kPanels * kK * kPanelColumns);
  for (size_t i = 0; i < b.size(); ++i) {
    b[i] = static_cast<uint16_t>(i < 0x7c00 ? i : 0x8000 + i - 0x7c00);
  }
  std::vector<uint16_t> identity(kK * kK, 0);
  for (size_t i = 0; i < kK; ++i) identity[i * kK + i] = float_to_bf16(1.0f);
  std::vector<float> c(kK * kPanels * kPanelColumns);
  const int64_t c_stride = kPanels * kPanelColumns;
  kernel(matmul16_kernels())({identity.data(), kK, 1, kK, kK, b.data(), SixteenBit::f16, kPanels,
                              c.data(), c_stride, false});
  for (size_t i = 0; i < b.size(); ++i) {
    const size_t panel = i / (kK * kPanelColumns);
    const size_t within = i % (kK * kPanelColumns);
    const size_t k = within / 32 * 2 + within % 2;
    const size_t column = panel * kPanelColumns + within % 32 / 2;
    ASSERT_EQ(c[k * static_cast<size_t>(c_stride) + column], f16_to_float(b[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Matmul16,
                         ::testing::Values(Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512bf16,
                                           Isa::amx),
                         [](const auto& test) { return std::string(name(test.param)); });

class SplitPlanes : public Matmul16 {};

TEST_P(SplitPlanes, GivesTheBitsOfTheScalarKernel) {
  SplitPlanesFunction* const function = kernel(split_planes_kernels());
  const float special[] = {0.0f,
                           -0.0f,
                           1e-40f,
                           -1e-38f,
                           std::numeric_limits<float>::max(),
                           -std::numeric_limits<float>::infinity(),
                           std::numeric_limits<float>::quiet_NaN(),
                           std::bit_cast<float>(0xff800001u),
                           1.00390625f,
                           1.01171875f};  // the last two: ties between bfloat16 values
  Random random(18);
  for (int64_t columns = 0; columns < 200; ++columns) {
    std::vector<float> x(static_cast<size_t>(columns));
    for (float& value : x) {
      value = pick(random, 0, 4) == 0 ? special[pick(random, 0, 9)]
                                      : std::bit_cast<float>(static_cast<uint32_t>(random()));
    }
    for (int planes = 1; planes <= 2; ++planes) {
      const auto size = static_cast<size_t>(planes * padded(columns, kMatmul16KStep));
      std::vector<uint16_t> expected(size + 1, 0x1234);
      std::vector<uint16_t> actual(size + 1, 0x1234);
      split_planes_scalar({x.data(), columns, planes, expected.data()});
      function({x.data(), columns, planes, actual.data()});
      ASSERT_EQ(expected, actual) << "columns " << columns << " planes " << planes;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, SplitPlanes,
                         ::testing::Values(Isa::scalar, Isa::avx2, Isa::avx512),
                         [](const auto& test) { return std::string(name(test.param)); });

TEST(SplitPlanesScalar, KeepsSixteenBits) {
  Random random(19);
  std::vector<float> x(1000);
  for (float& value : x) value = random_activation(random, false);
  std::vector<uint16_t> out(2048);
  split_planes_scalar({x.data(), 1000, 2, out.data()});
  for (size_t i = 0; i < x.size(); ++i) {
    const double high = bf16_to_float(out[i]);
    const double low = bf16_to_float(out[1024 + i]);
    const double size = std::fabs(x[i]);
    // bfloat16 has 8 significant bits: each rounding leaves at most 2^-8 of what it rounds.
    EXPECT_LE(std::fabs(x[i] - high), std::ldexp(size, -8));
    EXPECT_LE(std::fabs(x[i] - high - low), std::ldexp(size, -16));
  }
  for (size_t i = x.size(); i < 1024; ++i) EXPECT_EQ(out[i] | out[1024 + i], 0);
}

// The sum of all terms in double, whose own error (2^-53 for each of a few thousand additions) is
// far below the bound.
TEST(Matmul16Scalar, StaysWithinTheBoundOfItsRoundings) {
  const device::FlushDenormals flush;
  Random random(20);
  std::vector<float> c;
  for (int i = 0; i < 40; ++i) {
    const Case one = random_case(random, false);
    matmul16_scalar(one.args(c));
    for (int64_t r = 0; r < one.rows; ++r) {
      for (int64_t n = 0; n < one.panels * kPanelColumns; ++n) {
        const size_t at = static_cast<size_t>(r * one.c_stride + n);
        double sum = one.accumulate ? one.start[at] : 0;
        double size = std::fabs(sum);
        for (int64_t k = 0; k < one.k; ++k) {
          const uint16_t bits =
              one.b[static_cast<size_t>(n / 16 * 16 * one.k + k / 2 * 32 + n % 16 * 2 + k % 2)];
          const uint16_t* a = one.a.data() + r * one.a_stride + k;
          const double w = one.type == SixteenBit::f16 ? f16_to_float(bits) : bf16_to_float(bits);
          sum += w * bf16_to_float(a[0]);
          size += std::fabs(w * bf16_to_float(a[0]));
          if (one.planes == 2) {
            double high = w;  // a_lo meets only the high plane of f16 weights
            if (one.type == SixteenBit::f16) {
              high = std::bit_cast<float>(std::bit_cast<uint32_t>(static_cast<float>(w)) &
                                          0xffff0000u);
            }
            sum += high * bf16_to_float(a[one.k]);
            size += std::fabs(high * bf16_to_float(a[one.k]));
          }
        }
        // A product passes through at most 16 fused additions of its chain, even + odd, and the
        // additions to c of 3 terms of every block: each errs by 2^-24 of its result (1.01 covers
        // their compounding), or by 2^-126 when it is flushed.
        const double roundings = 17.0 + 3.0 * static_cast<double>(one.k / 32);
        const double bound =
            size * roundings * 0x1.01p-24 + static_cast<double>(4 * one.k) * 0x1p-126;
        ASSERT_NEAR(c[at], sum, bound);
      }
    }
  }
}

TEST(PackPanels16, PutsEveryWeightInItsPlaceAndPadsWithZeros) {
  for (const auto& [rows, k] : {std::pair<int64_t, int64_t>{1, 1}, {16, 32}, {17, 33}, {40, 70}}) {
    const int64_t stride = k + 3;
    std::vector<uint16_t> weights(static_cast<size_t>(rows * stride));
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<uint16_t>(i + 1);
    const int64_t k32 = padded(k, 32);
    std::vector<uint16_t> out(static_cast<size_t>(padded(rows, 16) * k32), 0xffff);
    pack_panels16(weights.data(), stride, rows, k, out.data());
    for (int64_t n = 0; n < padded(rows, 16); ++n) {
      for (int64_t i = 0; i < k32; ++i) {
        const auto at = static_cast<size_t>(n / 16 * 16 * k32 + i / 2 * 32 + n % 16 * 2 + i % 2);
        const uint16_t expected =
            n < rows && i < k ? weights[static_cast<size_t>(n * stride + i)] : uint16_t{0};
        ASSERT_EQ(out[at], expected) << "row " << n << " k " << i;
      }
    }
  }
}

}  // namespace
}  // namespace octet::ops

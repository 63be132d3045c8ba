// Tests of rotary embedding: one set of bits, the formula in double, and the accuracy of cos_sin.
#include "ops/rope/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "device/thread_team.h"
#include "ops/kernel_testing.h"

namespace octet::ops {
namespace {

class RopeTest : public ::testing::Test {
  device::FlushDenormals flush_;
};

struct Heads {
  int64_t heads;
  int64_t head_dim;
  int64_t rotary_dim;
  bool interleaved;
};

std::vector<Heads> shapes() {
  std::vector<Heads> result;
  for (bool interleaved : {false, true}) {
    for (int64_t half = 0; half <= 40; ++half)
      result.push_back({3, 2 * half, 2 * half, interleaved});
    result.push_back({9, 64, 64, interleaved});
    result.push_back({2, 128, 128, interleaved});
    result.push_back({4, 80, 32, interleaved});
    result.push_back({5, 67, 18, interleaved});
  }
  return result;
}

std::vector<float> rotated(RopeFunction* kernel, const Heads& shape, std::vector<float> x,
                           const std::vector<float>& cos, const std::vector<float>& sin) {
  kernel({.x = x.data(),
          .heads = shape.heads,
          .head_dim = shape.head_dim,
          .rotary_dim = shape.rotary_dim,
          .interleaved = shape.interleaved,
          .cos = cos.data(),
          .sin = sin.data()});
  return x;
}

void fill_tables(int64_t half, double position, std::vector<float>& cos, std::vector<float>& sin) {
  cos.resize(static_cast<size_t>(half));
  sin.resize(static_cast<size_t>(half));
  for (size_t i = 0; i < cos.size(); ++i) {
    const double frequency = std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half));
    cos_sin(position * frequency, &cos[i], &sin[i]);
  }
}

TEST_F(RopeTest, EveryInstructionSetGivesTheScalarBits) {
  test::expect_vector_kernels(rope_kernels());
  const auto kernels = test::runnable(rope_kernels());
  const std::vector<float> special = test::special_floats();
  std::vector<float> cos;
  std::vector<float> sin;
  for (const Heads& shape : shapes()) {
    fill_tables(shape.rotary_dim / 2, 1234.0, cos, sin);
    std::vector<float> x = test::normal_floats(shape.heads * shape.head_dim + 16, 5);
    for (bool with_special : {false, true}) {
      for (size_t i = 0; with_special && i < x.size(); i += 3) x[i] = special[i % special.size()];
      const std::vector<float> expected = rotated(kernels[0].function, shape, x, cos, sin);
      for (const auto& kernel : kernels) {
        ASSERT_TRUE(test::same_bits(rotated(kernel.function, shape, x, cos, sin), expected))
            << device::name(kernel.isa) << ", rotary_dim " << shape.rotary_dim << " of "
            << shape.head_dim;
      }
    }
  }
}

TEST_F(RopeTest, TheScalarKernelRotatesPairsAndNothingElse) {
  std::vector<float> cos;
  std::vector<float> sin;
  for (const Heads& shape : shapes()) {
    const int64_t half = shape.rotary_dim / 2;
    fill_tables(half, 77.0, cos, sin);
    const std::vector<float> x = test::normal_floats(shape.heads * shape.head_dim + 16, 6);
    const std::vector<float> out = rotated(rope_kernels()[0].function, shape, x, cos, sin);
    std::vector<bool> touched(x.size(), false);
    for (int64_t head = 0; head < shape.heads; ++head) {
      for (int64_t i = 0; i < half; ++i) {
        const int64_t base = head * shape.head_dim;
        const auto first = static_cast<size_t>(base + (shape.interleaved ? 2 * i : i));
        const size_t second = first + static_cast<size_t>(shape.interleaved ? 1 : half);
        const double a = x[first];
        const double b = x[second];
        const double c = cos[static_cast<size_t>(i)];
        const double s = sin[static_cast<size_t>(i)];
        // Two products and a sum, half an ulp (2^-24) each, of at most |a c| + |b s| each way.
        const double bound = 0x1p-24 * 2.01;
        ASSERT_NEAR(out[first], a * c - b * s, bound * (std::abs(a * c) + std::abs(b * s)));
        ASSERT_NEAR(out[second], b * c + a * s, bound * (std::abs(b * c) + std::abs(a * s)));
        touched[first] = touched[second] = true;
      }
    }
    for (size_t i = 0; i < x.size(); ++i) {
      if (touched[i]) continue;
      ASSERT_EQ(out[i], x[i]) << "dimension " << i << " is not rotary";
    }
  }
}

/// In double the result is off by a few units of its last place (2^-50 of it at most), so the float
/// is within half an ulp and 2^-26: correctly rounded but for about one angle in 2^26.
void expect_rounded(double angle) {
  float cos = 0;
  float sin = 0;
  cos_sin(angle, &cos, &sin);
  const auto exact = static_cast<long double>(angle);
  ASSERT_LE(test::ulps(cos, std::cos(exact)), 0.5L + 0x1p-25L) << "cos " << angle;
  ASSERT_LE(test::ulps(sin, std::sin(exact)), 0.5L + 0x1p-25L) << "sin " << angle;
}

TEST_F(RopeTest, CosAndSinAreTheNearestFloats) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 200000; ++i) {
    const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
    for (double angle : {uniform, uniform * 100, uniform * 1e4, uniform * 1e7}) {
      expect_rounded(angle);
    }
    if (HasFatalFailure()) return;
  }
}

TEST_F(RopeTest, CosAndSinAreTheNearestFloatsBesideMultiplesOfAQuarterTurn) {
  for (int64_t n = 0; n <= 6366197; n += n < 100000 ? 1 : 37) {
    const auto quarter = static_cast<double>(n) * (std::numbers::pi / 2);
    for (double angle : {quarter, std::nextafter(quarter, 1e9), std::nextafter(quarter, 0.0),
                         quarter + std::numbers::pi / 4}) {
      if (angle <= 1e7) expect_rounded(angle);
    }
    if (HasFatalFailure()) return;
  }
}

TEST_F(RopeTest, CosAndSinOfZeroAndTheLargestAngle) {
  float cos = 0;
  float sin = 1;
  cos_sin(0.0, &cos, &sin);
  EXPECT_EQ(cos, 1.0f);
  EXPECT_EQ(test::pattern(sin), 0u);
  expect_rounded(1e7);
  expect_rounded(1e-30);
  EXPECT_DEATH(cos_sin(-1.0, &cos, &sin), "angle");
  EXPECT_DEATH(cos_sin(1.1e7, &cos, &sin), "angle");
  EXPECT_DEATH(cos_sin(std::nan(""), &cos, &sin), "angle");
}

}  // namespace
}  // namespace octet::ops

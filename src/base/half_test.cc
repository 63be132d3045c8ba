// The 16-bit formats convert exactly: every pattern, every halfway case, against other arithmetic.
#include "base/half.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace octet {
namespace {

constexpr uint32_t kPatterns = 1u << 16;

/// The value of a sign-exponent-mantissa pattern from its definition, in double.
double defined_value(uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = (bits & 0x8000u) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

/// The pattern nearest to `value` by search among all finite ones; ties go to the even pattern, and
/// the first value past the largest finite one counts as infinity. `value` is not NaN.
class NearestPattern {
 public:
  NearestPattern(int exponent_bits, int mantissa_bits)
      : infinity_(static_cast<uint16_t>(((1 << exponent_bits) - 1) << mantissa_bits)) {
    for (uint32_t bits = 0; bits < infinity_; ++bits) {
      values_.push_back(defined_value(static_cast<uint16_t>(bits), exponent_bits, mantissa_bits));
    }
    const size_t top = values_.size() - 1;
    values_.push_back(2 * values_[top] - values_[top - 1]);  // where infinity would stand
  }

  uint16_t operator()(float value) const {
    const uint16_t sign = std::signbit(value) ? 0x8000u : 0;
    const double magnitude = std::fabs(static_cast<double>(value));
    const auto above = std::lower_bound(values_.begin(), values_.end(), magnitude);
    if (above == values_.end()) return sign | infinity_;
    const auto upper = static_cast<uint16_t>(above - values_.begin());
    if (upper == 0) return sign;
    const double down = magnitude - values_[upper - 1u];  // exact: both have 24 bits or fewer
    const double up = *above - magnitude;
    const bool take_lower = down < up || (down == up && upper % 2 == 1);
    return sign | static_cast<uint16_t>(take_lower ? upper - 1 : upper);
  }

 private:
  uint16_t infinity_;
  std::vector<double> values_;
};

/// Floats where rounding to a 16-bit format may go wrong: each finite pattern's value, the halfway
/// point to the next one, and their neighbours; the edges of the range; both signs; and random
/// bits.
template <typename ToFloat>
std::vector<float> hard_floats(ToFloat to_float, uint16_t infinity) {
  std::vector<float> floats;
  for (uint32_t bits = 0; bits < infinity; ++bits) {
    const float here = to_float(static_cast<uint16_t>(bits));
    const float next = bits + 1 >= infinity ? here : to_float(static_cast<uint16_t>(bits + 1));
    const float halfway = here + (next - here) / 2;
    for (float value : {here, halfway}) {
      floats.push_back(value);
      floats.push_back(std::nextafterf(value, 0.0f));
      floats.push_back(std::nextafterf(value, std::numeric_limits<float>::infinity()));
    }
  }
  std::mt19937 random(20220815);
  for (int i = 0; i < 1'000'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!std::isnan(value)) floats.push_back(value);
  }
  for (uint32_t bits : {0x477fefffu, 0x477ff000u, 0x477ff001u, 0x33000000u, 0x33000001u, 1u,
                        0x7f7f7fffu, 0x7f7f8000u, 0x7f7fffffu, 0x7f800000u}) {
    floats.push_back(std::bit_cast<float>(bits));
  }
  for (size_t i = 0, count = floats.size(); i < count; ++i) floats.push_back(-floats[i]);
  return floats;
}

TEST(Half, EveryF16PatternHasItsDefinedValueAndRoundTrips) {
  for (uint32_t pattern = 0; pattern < kPatterns; ++pattern) {
    const auto bits = static_cast<uint16_t>(pattern);
    const float value = f16_to_float(bits);
    const double defined = defined_value(bits, 5, 10);
    if (std::isnan(defined)) {
      ASSERT_TRUE(std::isnan(value)) << pattern;
      ASSERT_EQ(float_to_f16(value), bits | 0x200u) << pattern;  // quiet, its payload kept
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), defined) << pattern;
    ASSERT_EQ(std::signbit(value), std::signbit(defined)) << pattern;
    ASSERT_EQ(float_to_f16(value), bits) << pattern;
  }
}

TEST(Half, EveryBf16PatternHasItsDefinedValueAndRoundTrips) {
  for (uint32_t pattern = 0; pattern < kPatterns; ++pattern) {
    const auto bits = static_cast<uint16_t>(pattern);
    const float value = bf16_to_float(bits);
    const double defined = defined_value(bits, 8, 7);
    if (std::isnan(defined)) {
      ASSERT_TRUE(std::isnan(value)) << pattern;
      ASSERT_EQ(float_to_bf16(value), bits | 0x40u) << pattern;
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), defined) << pattern;
    ASSERT_EQ(std::signbit(value), std::signbit(defined)) << pattern;
    ASSERT_EQ(float_to_bf16(value), bits) << pattern;
  }
}

TEST(Half, FloatToF16IsTheNearestPatternTiesToEven) {
  const NearestPattern nearest(5, 10);
  for (float value : hard_floats(f16_to_float, 0x7c00)) {
    ASSERT_EQ(float_to_f16(value), nearest(value)) << std::bit_cast<uint32_t>(value);
  }
}

TEST(Half, FloatToBf16IsTheNearestPatternTiesToEven) {
  const NearestPattern nearest(8, 7);
  for (float value : hard_floats(bf16_to_float, 0x7f80)) {
    ASSERT_EQ(float_to_bf16(value), nearest(value)) << std::bit_cast<uint32_t>(value);
  }
}

TEST(Half, NanStaysNanInBothFormats) {
  for (uint32_t payload : {1u, 0x1fffu, 0x2000u, 0x3fffffu, 0x400000u, 0x7fffffu}) {
    for (uint32_t sign : {0u, 0x80000000u}) {
      const auto nan = std::bit_cast<float>(sign | 0x7f800000u | payload);
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(nan)))) << payload;
      EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(nan)))) << payload;
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("f16c"))) void convert_with_f16c(const std::array<float, 8>& values,
                                                       std::array<uint16_t, 8>& bits) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(bits.data()),
                   _mm256_cvtps_ph(_mm256_loadu_ps(values.data()), _MM_FROUND_TO_NEAREST_INT));
}

// Kernels convert with F16C where plain code uses float_to_f16: the bits must be the same.
TEST(Half, FloatToF16EqualsTheF16cInstructionNanIncluded) {
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "no AVX2, so perhaps no F16C";
  std::mt19937 random(8);
  std::array<float, 8> values;
  std::array<uint16_t, 8> bits;
  for (int round = 0; round < 250'000; ++round) {
    for (float& value : values) {
      // Every other exponent is drawn from where binary16 has values.
      uint32_t pattern = static_cast<uint32_t>(random());
      if (random() % 2 == 0) pattern = (pattern & 0x807fffffu) | ((100 + random() % 46) << 23);
      value = std::bit_cast<float>(pattern);
    }
    convert_with_f16c(values, bits);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(float_to_f16(values[i]), bits[i]) << std::bit_cast<uint32_t>(values[i]);
    }
  }
}
#endif

}  // namespace
}  // namespace octet

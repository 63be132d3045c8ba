// Row maxima and int8 codes: the scalar kernels against the definition, every other against them.
#include "ops/quantize_rows/quantize_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "device/thread_team.h"

namespace octet::ops {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kTiny = std::numeric_limits<float>::min();
constexpr float kDenormal = kTiny / 4;
constexpr int8_t kGuard = -99;

// ---- The definition, written without the kernels' arithmetic --------------------------------

float flushed(float value) {
  return std::fabs(value) < kTiny ? 0.0f : value;
}

// The integer nearest to `value`, ties to even.
double to_nearest_even(double value) {
  const double below = std::floor(value);
  const double rest = value - below;
  if (rest != 0.5) return rest < 0.5 ? below : below + 1;
  return std::fmod(below, 2) == 0 ? below : below + 1;
}

// rint(x·((1/c)·Q)) in float32 with denormals flushed; 0 when the factor is 0 or not finite.
int defined_code(float x, float c, float largest_code) {
  if (flushed(c) == 0) return 0;
  const float inverse = flushed(1.0f / c);
  const float factor = inverse * largest_code;
  if (!std::isfinite(factor) || factor == 0) return 0;
  const double code = to_nearest_even(flushed(flushed(x) * factor));
  return static_cast<int>(std::clamp<double>(code, -largest_code, largest_code));
}

struct Row {
  std::vector<float> x;
  std::vector<uint32_t> mask;  // empty: all columns
  float threshold = 0;

  int64_t columns() const { return static_cast<int64_t>(x.size()); }
  const uint32_t* mask_data() const { return mask.empty() ? nullptr : mask.data(); }
  bool admitted(size_t i) const { return mask.empty() || mask[i] != 0; }
  bool leftover(size_t i) const { return threshold > 0 && !(std::fabs(x[i]) < threshold); }
};

struct Maxima {
  float row = 0;
  float leftover = 0;
};

// NaN counts as larger than infinity; which NaN it is does not matter.
Maxima defined_maxima(const Row& row) {
  Maxima maxima;
  for (size_t i = 0; i < row.x.size(); ++i) {
    if (!row.admitted(i)) continue;
    float& largest = row.leftover(i) ? maxima.leftover : maxima.row;
    const float magnitude = std::fabs(row.x[i]);
    if (std::isnan(magnitude) || magnitude > largest) largest = magnitude;
    if (std::isnan(largest)) largest = kNan;
  }
  return maxima;
}

// ---- Rows to try ----------------------------------------------------------------------------

float random_value(std::mt19937& random) {
  std::normal_distribution<float> normal(0, 3);
  switch (random() % 16) {
    case 0:
      return 0.0f;
    case 1:
      return -0.0f;
    case 2:
      return kDenormal * static_cast<float>(random() % 4);
    case 3:
      return normal(random) * 40;
    case 4:
      return random() % 2 == 0 ? 6.0f : -6.0f;
    default:
      return normal(random);
  }
}

Row random_row(int64_t columns, std::mt19937& random) {
  Row row;
  for (int64_t i = 0; i < columns; ++i) row.x.push_back(random_value(random));
  if (random() % 2 == 0) {
    for (int64_t i = 0; i < columns; ++i) row.mask.push_back(random() % 8 == 0 ? 0 : 0xffffffffu);
  }
  if (random() % 2 == 0) row.threshold = 6.0f;
  return row;
}

template <typename Function>
class KernelTest : public ::testing::TestWithParam<Kernel<Function>> {
 protected:
  void choose_from(std::span<const Kernel<Function>> kernels) {
    const device::Isa isa = this->GetParam().isa;
    if (!device::cpu_features().has(isa)) GTEST_SKIP() << "this CPU lacks " << device::name(isa);
    // What forcing this instruction set runs is this kernel.
    const Kernel<Function>& chosen = choose(kernels, device::cpu_features().up_to(isa));
    ASSERT_EQ(chosen.isa, isa);
    ASSERT_EQ(chosen.function, this->GetParam().function);
    kernel_ = chosen.function;
  }

  Function* kernel_ = nullptr;
  std::mt19937 random_{6};
};

// ---- Row maxima -----------------------------------------------------------------------------

class RowMaximaTest : public KernelTest<RowMaximaFunction> {
 protected:
  void SetUp() override { choose_from(row_maxima_kernels()); }

  Maxima maxima(const Row& row) const {
    const device::FlushDenormals flush;
    Maxima result{-1, -1};
    kernel_({.x = row.x.data(),
             .x_stride = row.columns(),
             .rows = 1,
             .columns = row.columns(),
             .column_mask = row.mask_data(),
             .threshold = row.threshold,
             .row_max = &result.row,
             .leftover_max = &result.leftover});
    return result;
  }

  void expect_defined(const Row& row) const {
    const Maxima want = defined_maxima(row);
    const Maxima got = maxima(row);
    const auto same = [](float a, float b) {
      return (std::isnan(a) && std::isnan(b)) ||
             std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
    };
    EXPECT_TRUE(same(got.row, want.row)) << got.row << ", not " << want.row;
    EXPECT_TRUE(same(got.leftover, want.leftover)) << got.leftover << ", not " << want.leftover;
  }
};

TEST_P(RowMaximaTest, EqualTheDefinitionOnRandomRows) {
  for (int round = 0; round < 2000; ++round) {
    expect_defined(random_row(static_cast<int64_t>(random_() % 150), random_));
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  expect_defined(random_row(5633, random_));
}

TEST_P(RowMaximaTest, FindTheLargestInEveryPlace) {
  for (int64_t columns : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65}) {
    for (size_t at = 0; at < static_cast<size_t>(columns); ++at) {
      Row row{std::vector<float>(static_cast<size_t>(columns), 1.0f), {}, 6.0f};
      row.x[at] = -5.0f;
      EXPECT_EQ(maxima(row).row, 5.0f);
      EXPECT_EQ(maxima(row).leftover, 0.0f);
      row.x[at] = -50.0f;
      EXPECT_EQ(maxima(row).row, columns == 1 ? 0.0f : 1.0f);
      EXPECT_EQ(maxima(row).leftover, 50.0f);
    }
  }
}

TEST_P(RowMaximaTest, NanAndInfinityInAnyPlaceComeOut) {
  for (float bad : {kNan, -kNan, kInfinity, -kInfinity, std::bit_cast<float>(0x7fffffffu),
                    std::bit_cast<float>(0x7f800001u)}) {
    for (float threshold : {0.0f, 6.0f}) {
      for (size_t at = 0; at < 37; ++at) {
        Row row{std::vector<float>(37, 2.0f), {}, threshold};
        row.x[at] = bad;
        const Maxima found = maxima(row);
        EXPECT_FALSE(std::isfinite(threshold > 0 ? found.leftover : found.row));
        EXPECT_EQ(threshold > 0 ? found.row : found.leftover, threshold > 0 ? 2.0f : 0.0f);
        expect_defined(row);
        row.mask.assign(37, 0xffffffffu);
        row.mask[at] = 0;  // not admitted: not seen
        EXPECT_EQ(maxima(row).row, 2.0f);
        EXPECT_EQ(maxima(row).leftover, 0.0f);
      }
    }
  }
}

TEST_P(RowMaximaTest, ExactlyTheThresholdIsALeftover) {
  const float below = std::nextafter(6.0f, 0.0f);
  for (size_t columns : {1u, 8u, 16u, 21u}) {
    Row row{std::vector<float>(columns, below), {}, 6.0f};
    EXPECT_EQ(maxima(row).row, below);
    EXPECT_EQ(maxima(row).leftover, 0.0f);
    row.x.assign(columns, -6.0f);
    EXPECT_EQ(maxima(row).row, 0.0f);
    EXPECT_EQ(maxima(row).leftover, 6.0f);
  }
}

TEST_P(RowMaximaTest, DenormalsAreComparedThoughArithmeticFlushesThem) {
  const Row row{std::vector<float>(20, -kDenormal), {}, 0};
  EXPECT_EQ(std::bit_cast<uint32_t>(maxima(row).row), std::bit_cast<uint32_t>(kDenormal));
}

TEST_P(RowMaximaTest, RowsLieTheirStrideApartAndLeftoversMayBeLeftOut) {
  constexpr int64_t kRows = 5;
  constexpr int64_t kColumns = 19;
  constexpr int64_t kStride = 23;
  std::vector<float> x((kRows - 1) * kStride + kColumns, 1000.0f);
  for (int64_t r = 0; r < kRows; ++r) {
    std::fill_n(x.begin() + r * kStride, kColumns, static_cast<float>(r + 1));
  }
  std::vector<float> row_max(kRows + 1, -1.0f);
  kernel_({.x = x.data(),
           .x_stride = kStride,
           .rows = kRows,
           .columns = kColumns,
           .row_max = row_max.data()});
  EXPECT_EQ(row_max, (std::vector<float>{1, 2, 3, 4, 5, -1}));
}

INSTANTIATE_TEST_SUITE_P(Kernels, RowMaximaTest,
                         ::testing::ValuesIn(row_maxima_kernels().begin(),
                                             row_maxima_kernels().end()),
                         [](const auto& kernel) { return std::string(name(kernel.param.isa)); });

// ---- Codes ----------------------------------------------------------------------------------

struct Codes {
  std::vector<int8_t> first;
  std::vector<int8_t> second;
  bool operator==(const Codes&) const = default;
};

class QuantizeRowTest : public KernelTest<QuantizeRowFunction> {
 protected:
  void SetUp() override { choose_from(quantize_row_kernels()); }

  // With 16 bytes behind both that must stay as they are.
  static Codes run(QuantizeRowFunction* kernel, const Row& row, int planes, const Maxima& maxima,
                   int64_t padded_columns, bool with_second) {
    const device::FlushDenormals flush;
    const auto size = static_cast<size_t>(padded_columns) + 16;
    Codes codes{std::vector<int8_t>(size, kGuard), std::vector<int8_t>(size, kGuard)};
    kernel({.x = row.x.data(),
            .columns = row.columns(),
            .padded_columns = padded_columns,
            .column_mask = row.mask_data(),
            .threshold = row.threshold,
            .planes = planes,
            .row_max = maxima.row,
            .leftover_max = maxima.leftover,
            .codes = codes.first.data(),
            .second = with_second ? codes.second.data() : nullptr});
    return codes;
  }

  static Codes defined(const Row& row, int planes, const Maxima& maxima, int64_t padded_columns,
                       bool with_second) {
    const auto size = static_cast<size_t>(padded_columns) + 16;
    Codes codes{std::vector<int8_t>(size, kGuard), std::vector<int8_t>(size, kGuard)};
    std::fill_n(codes.first.begin(), padded_columns, int8_t{0});
    if (with_second) std::fill_n(codes.second.begin(), padded_columns, int8_t{0});
    for (size_t i = 0; i < row.x.size(); ++i) {
      if (!row.admitted(i)) continue;
      if (planes == 2) {
        // The only pair with q = 128·hi + lo and lo in [−64, 63].
        const int q = defined_code(row.x[i], maxima.row, 16256.0f);
        for (int lo = -64; lo <= 63; ++lo) {
          if ((q - lo) % 128 != 0) continue;
          codes.first[i] = static_cast<int8_t>((q - lo) / 128);
          codes.second[i] = static_cast<int8_t>(lo);
        }
      } else if (!row.leftover(i)) {
        codes.first[i] = static_cast<int8_t>(defined_code(row.x[i], maxima.row, 127.0f));
      } else if (with_second) {
        codes.second[i] = static_cast<int8_t>(defined_code(row.x[i], maxima.leftover, 127.0f));
      }
    }
    return codes;
  }

  // The kernel equals the definition and the scalar kernel, with one plane, one and leftovers, two.
  void expect_defined(const Row& row, const Maxima& maxima, int64_t padded_columns) const {
    QuantizeRowFunction* scalar = quantize_row_kernels().front().function;
    for (const auto& [planes, with_second] : {std::pair{1, false}, {1, true}, {2, true}}) {
      const Codes got = run(kernel_, row, planes, maxima, padded_columns, with_second);
      EXPECT_EQ(got, defined(row, planes, maxima, padded_columns, with_second))
          << planes << " planes, c " << maxima.row << " and " << maxima.leftover;
      EXPECT_EQ(got, run(scalar, row, planes, maxima, padded_columns, with_second));
    }
  }
};

TEST_P(QuantizeRowTest, EqualsTheDefinitionOnRandomRows) {
  for (int round = 0; round < 2000; ++round) {
    const Row row = random_row(static_cast<int64_t>(random_() % 150), random_);
    const auto padding = static_cast<int64_t>(random_() % 3 * (random_() % 70));
    expect_defined(row, defined_maxima(row), row.columns() + padding);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  const Row row = random_row(5633, random_);
  expect_defined(row, defined_maxima(row), 5696);
}

TEST_P(QuantizeRowTest, EqualsTheDefinitionForScalesOfOtherRows) {
  // With a scale given from elsewhere (another rank, a tensor's maximum) codes may have to clamp.
  for (int round = 0; round < 300; ++round) {
    const Row row = random_row(1 + static_cast<int64_t>(random_() % 100), random_);
    expect_defined(row, {std::fabs(random_value(random_)), std::fabs(random_value(random_)) + 6},
                   row.columns());
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

TEST_P(QuantizeRowTest, TiesGoToEven) {
  // c = 127 makes the factor 1: codes of halves are ties. (1/127)·127 rounds to exactly 1.
  Row row;
  for (int i = -254; i <= 254; ++i) row.x.push_back(static_cast<float>(i) / 2);
  const Codes codes = run(kernel_, row, 1, {127, 0}, row.columns(), false);
  for (size_t i = 0; i < row.x.size(); ++i) {
    EXPECT_EQ(codes.first[i], to_nearest_even(row.x[i])) << row.x[i];
  }
  EXPECT_EQ(codes.first[static_cast<size_t>(254 + 5)], 2);   // 2.5
  EXPECT_EQ(codes.first[static_cast<size_t>(254 + 7)], 4);   // 3.5
  EXPECT_EQ(codes.first[static_cast<size_t>(254 - 5)], -2);  // −2.5
  expect_defined(row, {127, 0}, row.columns());
}

TEST_P(QuantizeRowTest, TwoPlanesRecombineToTheFifteenBitCode) {
  // c = 16256: the factor is 1 again, every code occurs, and so does every split.
  ASSERT_EQ((1.0f / 16256.0f) * 16256.0f, 1.0f);
  Row row;
  for (int q = -16256; q <= 16256; ++q) row.x.push_back(static_cast<float>(q));
  const Codes codes = run(kernel_, row, 2, {16256, 0}, row.columns(), true);
  for (size_t i = 0; i < row.x.size(); ++i) {
    ASSERT_EQ(128 * codes.first[i] + codes.second[i], static_cast<int>(row.x[i]));
    ASSERT_GE(codes.first[i], -127);
    ASSERT_GE(codes.second[i], -64);
    ASSERT_LE(codes.second[i], 63);
  }
}

TEST_P(QuantizeRowTest, TwoPlanesIgnoreTheThreshold) {
  Row row = random_row(100, random_);
  row.threshold = 0;
  const Maxima maxima = defined_maxima(row);
  const Codes without = run(kernel_, row, 2, maxima, 128, true);
  row.threshold = 1.0f;
  EXPECT_EQ(run(kernel_, row, 2, maxima, 128, true), without);
}

TEST_P(QuantizeRowTest, ExactlyTheThresholdGoesToTheLeftovers) {
  const float below = std::nextafter(6.0f, 0.0f);
  Row row{{6.0f, below, -6.0f, -below, 12.0f, 0.0f}, {}, 6.0f};
  for (int i = 0; i < 60; ++i) row.x.push_back(row.x[static_cast<size_t>(i)]);
  const Codes codes = run(kernel_, row, 1, {below, 12.0f}, row.columns(), true);
  for (size_t i = 0; i < row.x.size(); i += 6) {
    EXPECT_EQ(codes.first[i], 0);
    EXPECT_EQ(codes.second[i], 64);  // 63.5, to even
    EXPECT_EQ(codes.first[i + 1], 127);
    EXPECT_EQ(codes.second[i + 1], 0);
    EXPECT_EQ(codes.second[i + 2], -64);
    EXPECT_EQ(codes.first[i + 3], -127);
    EXPECT_EQ(codes.second[i + 4], 127);
    EXPECT_EQ(codes.first[i + 5], 0);
  }
  expect_defined(row, {below, 12.0f}, 128);
}

TEST_P(QuantizeRowTest, ScalesThatAreZeroTinyOrNotFiniteGiveZeros) {
  Row row = random_row(70, random_);
  row.mask.clear();
  for (float threshold : {0.0f, 6.0f}) {
    row.threshold = threshold;
    for (float c : {0.0f, kDenormal, kTiny, 3e-37f, 4e-35f, kInfinity, kNan}) {
      for (const auto& [planes, with_second] : {std::pair{1, true}, {2, true}}) {
        // (1/c)·Q overflows below 127 / 3.4e38 = 3.7e-37, and below 4.8e-35 with two planes.
        if (planes == 1 && c == 4e-35f) continue;
        const Codes codes = run(kernel_, row, planes, {c, c}, 70, with_second);
        EXPECT_EQ(std::count(codes.first.begin(), codes.first.end(), 0), 70) << c;
        EXPECT_EQ(std::count(codes.second.begin(), codes.second.end(), 0), 70) << c;
      }
    }
  }
}

TEST_P(QuantizeRowTest, SmallScalesThatStayFiniteGiveCodes) {
  for (float c : {4e-37f, 5e-35f, 1e-30f}) {
    Row row;
    for (int i = 0; i <= 40; ++i) row.x.push_back(c * static_cast<float>(i - 20) / 20);
    expect_defined(row, {c, 0}, 64);
    EXPECT_EQ(run(kernel_, row, 1, {c, 0}, 64, false).first[40], 127);
  }
}

TEST_P(QuantizeRowTest, DenormalInputsAreZero) {
  // With so small a scale a denormal would reach code 3 if it were not flushed.
  const float c = 4e-37f;
  Row row{std::vector<float>(40, 1.1e-38f), {}, 0};
  ASSERT_LT(row.x[0], kTiny);
  const Codes codes = run(kernel_, row, 1, {c, 0}, 40, false);
  EXPECT_EQ(std::count(codes.first.begin(), codes.first.end(), 0), 40);
}

TEST_P(QuantizeRowTest, MaskedColumnsAreZeroWhateverTheyHold) {
  for (float bad : {kNan, kInfinity, 1e30f}) {
    for (size_t at = 0; at < 67; ++at) {
      Row row{std::vector<float>(67, 1.5f), std::vector<uint32_t>(67, 0xffffffffu), 6.0f};
      row.x[at] = bad;
      row.mask[at] = 0;
      expect_defined(row, {1.5f, 0}, 128);
      EXPECT_EQ(run(kernel_, row, 1, {1.5f, 0}, 128, true).first[at], 0);
    }
  }
}

TEST_P(QuantizeRowTest, NoColumnsGivePaddingOnly) {
  const Row row;
  expect_defined(row, {0, 0}, 64);
  expect_defined(row, {0, 0}, 0);
}

INSTANTIATE_TEST_SUITE_P(Kernels, QuantizeRowTest,
                         ::testing::ValuesIn(quantize_row_kernels().begin(),
                                             quantize_row_kernels().end()),
                         [](const auto& kernel) { return std::string(name(kernel.param.isa)); });

}  // namespace
}  // namespace octet::ops

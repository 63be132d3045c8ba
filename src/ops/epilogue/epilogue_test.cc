// The epilogue: the scalar kernel against its definition, every other against both, bit for bit.
#include "ops/epilogue/epilogue.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "device/thread_team.h"

namespace octet::ops {
namespace {

constexpr float kGuard = -1234.5f;

// One row with everything an epilogue may be given.
struct Row {
  std::vector<int32_t> sums;
  std::vector<int32_t> second;
  std::vector<float> column_factors;
  std::vector<float> kept;
  std::vector<float> bias;
  std::vector<float> residual;
};

Row random_row(int64_t columns, int sum_bits, std::mt19937& random) {
  std::normal_distribution<float> normal;
  const auto integer = [&] { return static_cast<int32_t>(random()) >> (32 - sum_bits); };
  Row row;
  for (int64_t n = 0; n < columns; ++n) {
    row.sums.push_back(integer());
    row.second.push_back(integer());
    row.column_factors.push_back(std::abs(normal(random)) / 127);
    row.kept.push_back(normal(random) * 10);
    row.bias.push_back(normal(random));
    row.residual.push_back(normal(random) * 30);
  }
  return row;
}

struct Options {
  int planes = 1;
  bool second = false;
  bool kept = false;
  bool bias = false;
  bool residual = false;
  bool in_place = false;  // residual and output are the same memory
};

std::vector<Options> all_options() {
  std::vector<Options> all;
  for (int bits = 0; bits < 64; ++bits) {
    const auto bit = [&](int index) { return (bits >> index & 1) != 0; };
    const Options options{bit(0) ? 2 : 1, bit(1), bit(2), bit(3), bit(4), bit(5)};
    if (options.planes == 2 && !options.second) continue;
    if (options.in_place && !options.residual) continue;
    all.push_back(options);
  }
  return all;
}

std::string described(const Options& options, size_t columns) {
  return std::to_string(options.planes) + " planes" + (options.second ? ", second" : "") +
         (options.kept ? ", kept" : "") + (options.bias ? ", bias" : "") +
         (options.residual ? ", residual" : "") + (options.in_place ? " in place" : "") + ", " +
         std::to_string(columns) + " columns";
}

constexpr float kRowFactor = 0.0173f;
constexpr float kSecondFactor = 0.37f;

// The definition: every operation through a float of its own, which cannot be fused or kept wider.
std::vector<uint32_t> defined(const Row& row, const Options& options) {
  std::vector<uint32_t> bits;
  for (size_t n = 0; n < row.sums.size(); ++n) {
    volatile float value;
    if (options.planes == 2) {
      const int64_t whole = int64_t{128} * row.sums[n] + row.second[n];
      value = static_cast<float>(whole);
      value = value * kRowFactor;
    } else {
      value = static_cast<float>(row.sums[n]);
      value = value * kRowFactor;
      if (options.second) {
        volatile float extra = static_cast<float>(row.second[n]);
        extra = extra * kSecondFactor;
        value = value + extra;
      }
    }
    value = value * row.column_factors[n];
    if (options.kept) value = value + row.kept[n];
    if (options.bias) value = value + row.bias[n];
    if (options.residual) value = value + row.residual[n];
    bits.push_back(std::bit_cast<uint32_t>(static_cast<float>(value)));
  }
  return bits;
}

class EpilogueTest : public ::testing::TestWithParam<Kernel<EpilogueFunction>> {
 protected:
  void SetUp() override {
    const device::Isa isa = GetParam().isa;
    if (!device::cpu_features().has(isa)) GTEST_SKIP() << "this CPU lacks " << device::name(isa);
    // What forcing this instruction set runs is this kernel.
    const auto& chosen = choose(epilogue_kernels(), device::cpu_features().up_to(isa));
    ASSERT_EQ(chosen.isa, isa);
    ASSERT_EQ(chosen.function, GetParam().function);
    kernel_ = chosen.function;
  }

  static std::vector<uint32_t> run(EpilogueFunction* kernel, const Row& row,
                                   const Options& options) {
    const size_t columns = row.sums.size();
    std::vector<float> out(columns + 16, kGuard);
    if (options.in_place) std::copy(row.residual.begin(), row.residual.end(), out.begin());
    const float* residual = options.in_place ? out.data() : row.residual.data();
    kernel({.planes = options.planes,
            .sums = row.sums.data(),
            .second = options.second ? row.second.data() : nullptr,
            .row_factor = kRowFactor,
            .second_factor = kSecondFactor,
            .column_factors = row.column_factors.data(),
            .kept = options.kept ? row.kept.data() : nullptr,
            .bias = options.bias ? row.bias.data() : nullptr,
            .residual = options.residual ? residual : nullptr,
            .columns = static_cast<int64_t>(columns),
            .out = out.data()});
    for (size_t n = columns; n < out.size(); ++n) EXPECT_EQ(out[n], kGuard);
    std::vector<uint32_t> bits(columns);
    if (columns > 0) std::memcpy(bits.data(), out.data(), columns * sizeof(float));
    return bits;
  }

  void expect_defined(const Row& row) const {
    const device::FlushDenormals flush;
    for (const Options& options : all_options()) {
      const std::vector<uint32_t> got = run(kernel_, row, options);
      ASSERT_EQ(got, defined(row, options)) << described(options, row.sums.size());
      ASSERT_EQ(got, run(epilogue_kernels().front().function, row, options));
    }
  }

  EpilogueFunction* kernel_ = nullptr;
  std::mt19937 random_{7};
};

TEST_P(EpilogueTest, EqualsTheDefinitionForAllOptionsAndNumbersOfColumns) {
  for (int64_t columns = 0; columns <= 70; ++columns) {
    ASSERT_NO_FATAL_FAILURE(expect_defined(random_row(columns, 20, random_)));
  }
  ASSERT_NO_FATAL_FAILURE(expect_defined(random_row(1537, 24, random_)));
}

TEST_P(EpilogueTest, EqualsTheDefinitionForSumsOfTheWholeRange) {
  // Sums of 32 bits have more bits than a float, 128 of them more than an int32.
  for (int round = 0; round < 20; ++round) {
    ASSERT_NO_FATAL_FAILURE(expect_defined(random_row(53, 32, random_)));
  }
  Row row = random_row(64, 32, random_);
  constexpr int32_t kLow = std::numeric_limits<int32_t>::min();
  constexpr int32_t kHigh = std::numeric_limits<int32_t>::max();
  for (size_t n = 0; n < 64; ++n) {
    row.sums[n] = n % 2 == 0 ? kLow : kHigh;
    row.second[n] = n % 4 < 2 ? kLow : kHigh;
  }
  ASSERT_NO_FATAL_FAILURE(expect_defined(row));
}

TEST_P(EpilogueTest, EqualsTheDefinitionAroundTheLimitsOf32BitsForTwoPlanes) {
  constexpr int32_t kHighLimit = 1 << 22;
  constexpr int32_t kLowLimit = 1 << 30;
  for (int32_t high : {-kHighLimit - 1, -kHighLimit, kHighLimit - 1, kHighLimit, 1 << 24}) {
    for (int32_t low : {-kLowLimit - 1, -kLowLimit, kLowLimit - 1, kLowLimit}) {
      Row row = random_row(32, 20, random_);
      row.sums[random_() % 32] = high;
      row.second[random_() % 32] = low;
      const size_t both = random_() % 32;
      row.sums[both] = high;
      row.second[both] = low;
      ASSERT_NO_FATAL_FAILURE(expect_defined(row));
    }
  }
}

TEST_P(EpilogueTest, TwoPlanesRoundOnce) {
  // 128·sum and the whole are both ties or next to one: rounding twice would go the wrong way.
  Row row = random_row(48, 32, random_);
  for (size_t n = 0; n < 48; ++n) {
    row.sums[n] = (1 << 24) + 1 + 2 * static_cast<int32_t>(n);  // 25 bits: a tie at 24
    row.second[n] = static_cast<int32_t>(n % 3) - 1;            // to one side, neither, the other
  }
  ASSERT_NO_FATAL_FAILURE(expect_defined(row));
  Options options{.planes = 2, .second = true};
  row.sums.assign(48, (1 << 24) + 1);
  row.second.assign(48, 1);
  row.column_factors.assign(48, 1.0f);
  volatile float expected = 2147483648.0f + 256.0f;  // above the tie: up, not to even
  expected = expected * kRowFactor;
  EXPECT_EQ(run(kernel_, row, options)[0], std::bit_cast<uint32_t>(static_cast<float>(expected)));
}

TEST_P(EpilogueTest, DenormalResultsAreFlushed) {
  Row row = random_row(40, 20, random_);
  row.sums.assign(40, 1);
  row.column_factors.assign(40, 1e-37f);  // · kRowFactor: below the smallest normal float
  const device::FlushDenormals flush;
  for (uint32_t bits : run(kernel_, row, {})) EXPECT_EQ(bits, 0u);
}

INSTANTIATE_TEST_SUITE_P(Kernels, EpilogueTest,
                         ::testing::ValuesIn(epilogue_kernels().begin(), epilogue_kernels().end()),
                         [](const auto& kernel) { return std::string(name(kernel.param.isa)); });

}  // namespace
}  // namespace octet::ops

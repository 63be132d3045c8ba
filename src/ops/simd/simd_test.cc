// Tests of the lane types: every operation against plain arithmetic in double, every instruction
// set against the scalar lanes, the elementary functions against long double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "device/thread_team.h"
#include "ops/kernel_testing.h"
#include "ops/simd/map.h"

namespace octet::ops {
namespace {

using test::pattern;

class SimdTest : public ::testing::Test {
  device::FlushDenormals flush_;
};

/// What one float32 operation with FTZ gives for an exact result that double holds: one rounding,
/// and zero when the rounded value, its exponent unbounded, is below the normal floats.
float flushed(double exact) {
  if (std::abs(exact) < 0x1p-100) {
    const auto scaled = static_cast<float>(exact * 0x1p64);
    if (std::abs(scaled) < 0x1p-62f) return std::copysign(0.0f, static_cast<float>(scaled));
  }
  return static_cast<float>(exact);
}

/// The value arithmetic sees with DAZ.
double as_operand(float x) {
  return (std::bit_cast<uint32_t>(x) & 0x7f800000u) == 0 ? std::copysign(0.0, x) : x;
}

/// Lane by lane what lanes.h promises, in the order LaneResults records; an operation's lanes that
/// are arithmetic are compared with one pattern for every NaN.
class Expected {
 public:
  explicit Expected(const LaneArgs& args) : args_(args) {}

  template <typename F>
  void values(const char* name, F value) {
    Row row{name, {}};
    for (int i = 0; i < 16; ++i) row.lanes[i] = pattern(value(i));
    rows_.push_back(row);
  }
  template <typename F>
  void patterns(const char* name, F value) {
    Row row{name, {}};
    for (int i = 0; i < 16; ++i) row.lanes[i] = value(i);
    rows_.push_back(row);
  }
  void check(const LaneResults& got, const std::string& isa) const {
    ASSERT_EQ(rows_.size(), static_cast<size_t>(LaneResults::kOperations));
    for (size_t row = 0; row < rows_.size(); ++row) {
      for (int i = 0; i < 16; ++i) {
        uint32_t bits = got.lanes[row][i];
        if (bits != rows_[row].lanes[i]) bits = pattern(std::bit_cast<float>(bits));
        ASSERT_EQ(bits, rows_[row].lanes[i])
            << isa << ", " << rows_[row].name << ", lane " << i << " of " << args_.count
            << ": a = " << args_.a[i] << ", b = " << args_.b[i] << ", c = " << args_.c[i];
      }
    }
  }

 private:
  struct Row {
    const char* name;
    uint32_t lanes[16];
  };
  LaneArgs args_;
  std::vector<Row> rows_;
};

float tree(std::vector<float> lanes, float (*combine)(float, float)) {
  for (size_t step = 8; step > 0; step /= 2) {
    for (size_t i = 0; i < step; ++i) lanes[i] = combine(lanes[i], lanes[i + step]);
  }
  return lanes[0];
}

float add(float x, float y) {
  return flushed(as_operand(x) + as_operand(y));
}
float larger(float x, float y) {
  return static_cast<float>(as_operand(x) > as_operand(y) ? as_operand(x) : as_operand(y));
}

/// a·b + c rounded once. The product is exact in double; the sum is rounded to odd (its last bit
/// set when anything was lost), after which rounding to float is as if from the exact sum.
float fused(double a, double b, double c) {
  const double product = a * b;
  double sum = product + c;
  const double added = sum - product;
  const double lost = (product - (sum - added)) + (c - added);
  auto bits = std::bit_cast<uint64_t>(sum);
  if (std::isfinite(sum) && lost != 0 && (bits & 1) == 0) {
    bits = (lost > 0) == (sum > 0) ? bits + 1 : bits - 1;
    sum = std::bit_cast<double>(bits);
  }
  return flushed(sum);
}

void expect_lanes(const LaneArgs& args, Expected& e) {
  const float* a = args.a;
  const float* b = args.b;
  const float* c = args.c;
  const auto n = args.count;
  const auto x = [&](int i) { return as_operand(a[i]); };
  const auto y = [&](int i) { return as_operand(b[i]); };
  const auto p = [&](int i) { return std::bit_cast<uint32_t>(a[i]); };
  const auto q = [&](int i) { return std::bit_cast<uint32_t>(b[i]); };
  const auto first = [&](const float* from, int i) { return i < n ? from[i] : 0.0f; };
  std::vector<float> whole(a, a + 16);
  std::vector<float> part(16);
  for (int i = 0; i < 16; ++i) part[static_cast<size_t>(i)] = first(b, i);

  e.patterns("load", p);
  for (const char* name : {"load_partial", "store_partial", "keep_first"}) {
    e.patterns(name, [&](int i) { return std::bit_cast<uint32_t>(first(a, i)); });
  }
  e.values("first", [&](int i) { return i < n ? 1.0f : 0.0f; });
  e.values("load_f16", [&](int i) { return f16_to_float(args.halves[i]); });
  e.patterns("load_bf16", [&](int i) { return static_cast<uint32_t>(args.halves[i]) << 16; });
  e.patterns("zero", [](int) { return 0u; });
  e.patterns("broadcast", [&](int) { return p(0); });
  e.values("+", [&](int i) { return flushed(x(i) + y(i)); });
  e.values("-", [&](int i) { return flushed(x(i) - y(i)); });
  e.values("*", [&](int i) { return flushed(x(i) * y(i)); });
  e.values("/", [&](int i) { return flushed(x(i) / y(i)); });
  e.values("fma", [&](int i) { return fused(x(i), y(i), as_operand(c[i])); });
  e.values("sqrt", [&](int i) { return flushed(std::sqrt(x(i))); });
  e.patterns("abs", [&](int i) { return p(i) & 0x7fffffffu; });
  e.values("rint", [&](int i) { return static_cast<float>(std::nearbyint(x(i))); });
  e.values("max", [&](int i) { return static_cast<float>(x(i) > y(i) ? x(i) : y(i)); });
  e.values("min", [&](int i) { return static_cast<float>(x(i) < y(i) ? x(i) : y(i)); });
  e.values("less", [&](int i) { return x(i) < y(i) ? 1.0f : 0.0f; });
  e.values("less_equal", [&](int i) { return x(i) <= y(i) ? 1.0f : 0.0f; });
  e.values("equal", [&](int i) { return x(i) == y(i) ? 1.0f : 0.0f; });
  e.patterns("select", [&](int i) { return std::bit_cast<uint32_t>(x(i) < y(i) ? c[i] : a[i]); });
  e.patterns("bits +", [&](int i) { return p(i) + q(i); });
  e.patterns("bits -", [&](int i) { return p(i) - q(i); });
  e.patterns("&", [&](int i) { return p(i) & q(i); });
  e.patterns("|", [&](int i) { return p(i) | q(i); });
  e.patterns("^", [&](int i) { return p(i) ^ q(i); });
  e.patterns("shift_left", [&](int i) { return p(i) << 23; });
  e.patterns("shift_right", [&](int i) { return p(i) >> 9; });
  e.patterns("Bits::broadcast", [](int) { return 0x80000001u; });
  e.values("reduce_add", [&](int) { return tree(whole, add); });
  e.values("reduce_max", [&](int) { return tree(whole, larger); });
  e.values("reduce_add of a part", [&](int) { return tree(part, add); });
  e.values("reduce_max of b", [&](int) { return tree({b, b + 16}, larger); });
  e.patterns("broadcast of b", [&](int) { return q(15); });
}

TEST_F(SimdTest, EveryLaneOperationIsTheIeeeOneOnEveryInstructionSet) {
  test::expect_vector_kernels(lane_kernels());
  const auto kernels = test::runnable(lane_kernels());
  const std::vector<float> special = test::special_floats();
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 20000; ++round) {
    float operands[3][16];
    uint16_t halves[16];
    for (int i = 0; i < 16; ++i) {
      for (auto& operand : operands) {
        const uint32_t kind = random() % 4;
        operand[i] = kind == 0   ? special[random() % special.size()]
                     : kind == 1 ? std::bit_cast<float>(static_cast<uint32_t>(random()))
                                 : normal(random) * (kind == 2 ? 1.0f : 50.0f);
      }
      halves[i] = static_cast<uint16_t>(random());
    }
    LaneResults results;
    LaneArgs args{.a = operands[0], .b = operands[1], .c = operands[2], .halves = halves};
    args.count = round % 17;
    args.results = &results;
    Expected expected(args);
    expect_lanes(args, expected);
    for (const auto& kernel : kernels) {
      std::memset(&results, 0xa5, sizeof(results));
      kernel.function(args);
      expected.check(results, std::string(device::name(kernel.isa)));
      if (HasFatalFailure()) return;
    }
  }
}

std::vector<float> mapped(MapFunction* kernel, Elementary function, const std::vector<float>& x) {
  std::vector<float> out(x.size());
  kernel({.function = function,
          .x = x.data(),
          .count = static_cast<int64_t>(x.size()),
          .out = out.data()});
  return out;
}

constexpr Elementary kElementary[] = {Elementary::exp, Elementary::sigmoid, Elementary::tanh,
                                      Elementary::erf};

/// Patterns spread evenly over all floats, the places where the functions change branch and their
/// neighbours, special values.
std::vector<float> arguments(uint32_t stride) {
  std::vector<float> values = test::special_floats();
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += stride) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  for (float edge : {0.625f, 0.921875f, 3.93f, 86.99f, 87.33655f, 87.5f, 88.37626f, 88.72283f,
                     88.73f, 89.0f, 9.01f, 0.34657359f, 103.97f}) {
    for (float value : {edge, -edge}) {
      const auto bits = std::bit_cast<uint32_t>(value);
      for (uint32_t i = bits - 500; i <= bits + 500; ++i) values.push_back(std::bit_cast<float>(i));
    }
  }
  // Where the functions bend: every binade from 2^-6 to 2^7 densely.
  for (uint32_t bits = 0x3c800000u; bits < 0x43000000u; bits += 1013) {
    values.push_back(std::bit_cast<float>(bits));
    values.push_back(-values.back());
  }
  return values;
}

TEST_F(SimdTest, ElementaryFunctionsHaveTheSameBitsOnEveryInstructionSet) {
  test::expect_vector_kernels(map_kernels());
  const auto kernels = test::runnable(map_kernels());
  const std::vector<float> x = arguments(2053);  // 2.3 million
  for (Elementary function : kElementary) {
    const std::vector<float> scalar = mapped(kernels[0].function, function, x);
    for (const auto& kernel : kernels) {
      const std::vector<float> out = mapped(kernel.function, function, x);
      for (size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(pattern(out[i]), pattern(scalar[i]))
            << device::name(kernel.isa) << ", function " << static_cast<int>(function)
            << ", x = " << x[i];
      }
    }
  }
}

TEST_F(SimdTest, ArraysOfAnyLengthAreMappedInPlaceAndNotBeyond) {
  for (const auto& kernel : test::runnable(map_kernels())) {
    for (int64_t count = 0; count <= 70; ++count) {
      const std::vector<float> x = test::normal_floats(count, 3);
      const std::vector<float> expected = mapped(map_kernels()[0].function, Elementary::tanh, x);
      std::vector<float> in_place = x;
      in_place.resize(x.size() + 16, 7.0f);
      kernel.function({.function = Elementary::tanh,
                       .x = in_place.data(),
                       .count = count,
                       .out = in_place.data()});
      for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(pattern(in_place[i]), pattern(expected[i]));
      for (size_t i = x.size(); i < in_place.size(); ++i) ASSERT_EQ(in_place[i], 7.0f);
    }
  }
}

/// The bounds of math.h: of the value where the result is a normal float, and zero (or the
/// smallest normal float, which is as near) where it is not.
void expect_within(Elementary function, long double (*exact)(long double), long double bound,
                   long double zero_below) {
  const std::vector<float> x = arguments(5003);
  const std::vector<float> out = mapped(map_kernels()[0].function, function, x);
  long double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      ASSERT_TRUE(std::isnan(out[i]));
      continue;
    }
    const long double want = exact(as_operand(x[i]));
    if (std::abs(want) < zero_below) {
      ASSERT_LE(std::abs(static_cast<long double>(out[i])), zero_below) << x[i];
    } else if (want > 0x1.fffffep127L) {
      ASSERT_GE(out[i], std::numeric_limits<float>::max()) << x[i];
    } else {
      const long double error = test::ulps(out[i], want);
      ASSERT_LE(error, bound) << "x = " << x[i] << ": " << out[i] << " for " << want;
      worst = std::max(worst, error);
    }
  }
  ::testing::Test::RecordProperty("worst_ulps", std::to_string(static_cast<double>(worst)));
}

TEST_F(SimdTest, ExpIsWithinItsBound) {
  expect_within(Elementary::exp, std::exp, 1.0L, 0x1.6b0p-126L);
}

TEST_F(SimdTest, SigmoidIsWithinItsBound) {
  expect_within(
      Elementary::sigmoid, [](long double x) { return 1 / (1 + std::exp(-x)); }, 3.0L, 0x1p-126L);
}

TEST_F(SimdTest, TanhIsWithinItsBound) {
  expect_within(Elementary::tanh, std::tanh, 1.5L, 0x1p-126L);
}

TEST_F(SimdTest, ErfIsWithinItsBound) {
  expect_within(Elementary::erf, std::erf, 1.5L, 0x1p-126L);
}

TEST_F(SimdTest, ElementaryFunctionsAreExactWhereTheirContractSaysSo) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const auto& kernel : test::runnable(map_kernels())) {
    const auto one = [&](Elementary function, float x) {
      return mapped(kernel.function, function, {x})[0];
    };
    EXPECT_EQ(one(Elementary::exp, 0.0f), 1.0f);
    EXPECT_EQ(one(Elementary::exp, -0.0f), 1.0f);
    EXPECT_EQ(one(Elementary::exp, kInfinity), kInfinity);
    EXPECT_EQ(one(Elementary::exp, 88.73f), kInfinity);
    EXPECT_EQ(pattern(one(Elementary::exp, -kInfinity)), 0u);
    EXPECT_EQ(pattern(one(Elementary::exp, -1e30f)), 0u);
    EXPECT_EQ(one(Elementary::sigmoid, 0.0f), 0.5f);
    EXPECT_EQ(one(Elementary::sigmoid, kInfinity), 1.0f);
    EXPECT_EQ(pattern(one(Elementary::sigmoid, -kInfinity)), 0u);
    for (Elementary odd : {Elementary::tanh, Elementary::erf}) {
      EXPECT_EQ(pattern(one(odd, 0.0f)), 0u);
      EXPECT_EQ(pattern(one(odd, -0.0f)), 0x80000000u);
      EXPECT_EQ(one(odd, kInfinity), 1.0f);
      EXPECT_EQ(one(odd, -kInfinity), -1.0f);
      EXPECT_EQ(one(odd, 0.3f), -one(odd, -0.3f));
      EXPECT_EQ(one(odd, 1.3f), -one(odd, -1.3f));
    }
    EXPECT_EQ(one(Elementary::tanh, 0x1p-13f), 0x1p-13f);
  }
}

}  // namespace
}  // namespace octet::ops

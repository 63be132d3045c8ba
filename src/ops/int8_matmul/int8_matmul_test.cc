// The int8 product: packing, and every kernel against exact sums in int64.
#include "ops/int8_matmul/int8_matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/amx_emulator.h"

namespace octet::ops {
namespace {

constexpr int32_t kGuard = 0x5a5a1234;

// One product in plain row-major codes: a [m, k], w [n, k].
struct Problem {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  std::vector<int8_t> a;
  std::vector<int8_t> w;
};

Problem make_problem(int64_t m, int64_t n, int64_t k) {
  Problem problem{m, n, k, {}, {}};
  problem.a.resize(static_cast<size_t>(m * k));
  problem.w.resize(static_cast<size_t>(n * k));
  return problem;
}

Problem random_problem(int64_t m, int64_t n, int64_t k, std::mt19937& random) {
  Problem problem = make_problem(m, n, k);
  const auto code = [&] { return static_cast<int8_t>(static_cast<int>(random() % 255) - 127); };
  std::generate(problem.a.begin(), problem.a.end(), code);
  std::generate(problem.w.begin(), problem.w.end(), code);
  return problem;
}

// The definition, one sum at a time; [m, n].
std::vector<int32_t> exact_product(const Problem& problem) {
  std::vector<int32_t> c;
  c.reserve(static_cast<size_t>(problem.m * problem.n));
  for (int64_t r = 0; r < problem.m; ++r) {
    const int8_t* a = problem.a.data() + r * problem.k;
    for (int64_t n = 0; n < problem.n; ++n) {
      const int8_t* w = problem.w.data() + n * problem.k;
      int64_t sum = 0;
      for (int64_t k = 0; k < problem.k; ++k) sum += a[k] * w[k];
      EXPECT_EQ(sum, static_cast<int32_t>(sum));
      c.push_back(static_cast<int32_t>(sum));
    }
  }
  return c;
}

// Extra bytes between rows of a and extra elements between rows of c.
struct Gaps {
  int64_t a = 0;
  int64_t c = 0;
};

// Runs `kernel` on the packed problem and compares every sum, the padding columns, and what lies
// around c. Buffers are exactly as long as the contract says, for AddressSanitizer.
void check(const Problem& problem, Int8MatmulFunction* kernel, const Gaps& gaps) {
  const int64_t k = padded(problem.k, kInt8KStep);
  const int64_t panels = padded(problem.n, kPanelColumns) / kPanelColumns;
  const int64_t columns = panels * kPanelColumns;
  std::vector<int8_t> b(static_cast<size_t>(panels * k * kPanelColumns));
  std::vector<int32_t> column_sums(static_cast<size_t>(columns));
  pack_int8_panels(problem.w.data(), problem.k, problem.n, problem.k, b.data(), column_sums.data());

  const int64_t a_stride = k + gaps.a;
  // Whoever reads into a gap reads −128, which no code is.
  std::vector<int8_t> a(static_cast<size_t>(std::max<int64_t>(problem.m * a_stride - gaps.a, 0)),
                        -128);
  for (int64_t r = 0; r < problem.m; ++r) {
    std::fill_n(a.begin() + r * a_stride, k, int8_t{0});
    std::copy_n(problem.a.begin() + r * problem.k, problem.k, a.begin() + r * a_stride);
  }
  const int64_t c_stride = columns + gaps.c;
  std::vector<int32_t> c(static_cast<size_t>(problem.m * c_stride + 64), kGuard);
  std::vector<int32_t> expected = c;
  const std::vector<int32_t> exact = exact_product(problem);
  for (int64_t r = 0; r < problem.m; ++r) {
    std::fill_n(expected.begin() + r * c_stride, columns, 0);
    std::copy_n(exact.begin() + r * problem.n, problem.n, expected.begin() + r * c_stride);
  }
  kernel({.a = a.data(),
          .a_stride = a_stride,
          .rows = problem.m,
          .k = k,
          .b = b.data(),
          .column_sums = column_sums.data(),
          .panels = panels,
          .c = c.data(),
          .c_stride = c_stride});
  const auto [got, want] = std::mismatch(c.begin(), c.end(), expected.begin());
  const int64_t at = got - c.begin();
  ASSERT_TRUE(got == c.end()) << "m " << problem.m << ", n " << problem.n << ", k " << problem.k
                              << ", gaps " << gaps.a << " and " << gaps.c << ": row "
                              << at / c_stride << ", column " << at % c_stride << " is " << *got
                              << ", not " << *want;
}

class Int8MatmulTest : public ::testing::TestWithParam<Kernel<Int8MatmulFunction>> {
 protected:
  void SetUp() override {
    const device::CpuFeatures features = test::features_with_emulated_amx();
    const device::Isa isa = GetParam().isa;
    if (!features.has(isa)) GTEST_SKIP() << "this CPU lacks " << device::name(isa);
    // What forcing this instruction set runs is this kernel.
    const auto& chosen = choose(int8_matmul_kernels(), features.up_to(isa));
    ASSERT_EQ(chosen.isa, isa);
    ASSERT_EQ(chosen.function, GetParam().function);
    kernel_ = chosen.function;
  }

  test::AmxEmulator emulator_;
  Int8MatmulFunction* kernel_ = nullptr;
  std::mt19937 random_{2208'07339};
};

TEST_P(Int8MatmulTest, EqualsExactSumsOnRandomShapes) {
  const auto between = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  };
  int odd[3] = {};
  for (int shape = 0; shape < 600; ++shape) {
    // Small shapes, with one extent in three drawn from a range that spans several blocks.
    const int long_extent = static_cast<int>(random_() % 9);
    const int64_t m = between(1, long_extent == 0 ? 210 : 40);
    const int64_t n = between(1, long_extent == 1 ? 700 : 100);
    const int64_t k = between(1, long_extent == 2 ? 5000 : 200);
    const Gaps gaps{between(0, 3) * between(0, 40), between(0, 3) * between(0, 20)};
    ASSERT_NO_FATAL_FAILURE(check(random_problem(m, n, k, random_), kernel_, gaps));
    odd[0] += m % 2;
    odd[1] += n % 2;
    odd[2] += k % 2;
  }
  for (int count : odd) EXPECT_GT(count, 200);
}

TEST_P(Int8MatmulTest, EqualsExactSumsAtEveryNumberOfRows) {
  for (int64_t m = 1; m <= 100; ++m) {
    ASSERT_NO_FATAL_FAILURE(check(random_problem(m, 81, 130, random_), kernel_, {.a = 64, .c = 5}));
  }
}

TEST_P(Int8MatmulTest, EqualsExactSumsAcrossBlocksOfKAndPanels) {
  for (int64_t m : {1, 6, 7, 64, 96, 97, 130}) {
    ASSERT_NO_FATAL_FAILURE(check(random_problem(m, 16 * 17 + 3, 1100, random_), kernel_, {}));
  }
}

TEST_P(Int8MatmulTest, ExtremeCodesAtTheLargestKNeitherSaturateNorOverflow) {
  for (int64_t k : {int64_t{1}, int64_t{64}, int64_t{70000}, kInt8MaxK}) {
    for (int64_t m : {1, 5, 18}) {
      for (int a_code : {127, -127}) {
        for (int w_code : {127, -127}) {
          Problem problem = make_problem(m, 17, k);
          std::fill(problem.a.begin(), problem.a.end(), static_cast<int8_t>(a_code));
          std::fill(problem.w.begin(), problem.w.end(), static_cast<int8_t>(w_code));
          ASSERT_NO_FATAL_FAILURE(check(problem, kernel_, {}));
        }
      }
    }
  }
}

TEST_P(Int8MatmulTest, RandomExtremesAtKOf70000) {
  for (int64_t m : {1, 4, 9, 65}) {
    Problem problem = random_problem(m, 20, 70000, random_);
    for (int8_t& code : problem.a) code = static_cast<int8_t>(code < 0 ? -127 : 127);
    for (int8_t& code : problem.w) code = static_cast<int8_t>(code < 0 ? -127 : 127);
    ASSERT_NO_FATAL_FAILURE(check(problem, kernel_, {.a = 64}));
  }
}

TEST_P(Int8MatmulTest, ZeroRowsGiveZerosAndLeaveTheirNeighboursAlone) {
  for (int64_t m : {2, 7, 33}) {
    Problem problem = random_problem(m, 50, 300, random_);
    for (int64_t r = 0; r < m; r += 2) std::fill_n(problem.a.begin() + r * 300, 300, int8_t{0});
    for (int64_t n = 0; n < 50; n += 3) std::fill_n(problem.w.begin() + n * 300, 300, int8_t{0});
    ASSERT_NO_FATAL_FAILURE(check(problem, kernel_, {}));
  }
}

TEST_P(Int8MatmulTest, OneHotColumnsPickSingleWeights) {
  for (int64_t hot = 0; hot < 130; ++hot) {
    Problem problem = random_problem(3 + hot % 17, 35, 130, random_);
    std::fill(problem.a.begin(), problem.a.end(), int8_t{0});
    for (int64_t r = 0; r < problem.m; ++r) {
      problem.a[static_cast<size_t>(r * 130 + hot)] = static_cast<int8_t>(r % 2 == 0 ? 127 : -127);
    }
    ASSERT_NO_FATAL_FAILURE(check(problem, kernel_, {}));
  }
}

TEST_P(Int8MatmulTest, NoRowsNoPanelsAndNoKAreFine) {
  ASSERT_NO_FATAL_FAILURE(check(make_problem(0, 20, 64), kernel_, {}));
  ASSERT_NO_FATAL_FAILURE(check(make_problem(7, 0, 64), kernel_, {}));
  ASSERT_NO_FATAL_FAILURE(check(make_problem(20, 0, 64), kernel_, {}));
  for (int64_t m : {1, 8, 20}) {
    ASSERT_NO_FATAL_FAILURE(check(make_problem(m, 33, 0), kernel_, {}));  // sums of nothing are 0
  }
}

TEST_P(Int8MatmulTest, TilesAreUsedByTheAmxKernelAlone) {
  const uint64_t before = test::AmxEmulator::instructions();
  ASSERT_NO_FATAL_FAILURE(check(random_problem(8, 64, 128, random_), kernel_, {}));
  ASSERT_NO_FATAL_FAILURE(check(random_problem(40, 64, 128, random_), kernel_, {}));
  const bool expected = GetParam().isa == device::Isa::amx && emulator_.emulating();
  EXPECT_EQ(test::AmxEmulator::instructions() > before, expected);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Int8MatmulTest,
                         ::testing::ValuesIn(int8_matmul_kernels().begin(),
                                             int8_matmul_kernels().end()),
                         [](const auto& kernel) { return std::string(name(kernel.param.isa)); });

TEST(Int8MatmulKernels, BeginWithTheScalarOneAndRise) {
  const auto kernels = int8_matmul_kernels();
  EXPECT_EQ(kernels.front().isa, device::Isa::scalar);
  for (size_t i = 1; i < kernels.size(); ++i) EXPECT_LT(kernels[i - 1].isa, kernels[i].isa);
}

TEST(PackInt8Panels, PutsEveryCodeWhereTheContractSays) {
  std::mt19937 random(1);
  for (const auto& [rows, k] : {std::pair<int64_t, int64_t>{1, 1}, {16, 64}, {17, 65}, {45, 130}}) {
    const int64_t stride = k + 7;
    std::vector<int8_t> codes(static_cast<size_t>(rows * stride));
    for (int8_t& code : codes) code = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
    const int64_t padded_k = padded(k, kInt8KStep);
    const int64_t columns = padded(rows, kPanelColumns);
    std::vector<int8_t> out(static_cast<size_t>(padded_k * columns), 99);
    std::vector<int32_t> sums(static_cast<size_t>(columns), 99);
    pack_int8_panels(codes.data(), stride, rows, k, out.data(), sums.data());
    for (int64_t n = 0; n < columns; ++n) {
      int32_t sum = 0;
      for (int64_t i = 0; i < padded_k; ++i) {
        const bool inside = n < rows && i < k;
        const int8_t expected = inside ? codes[static_cast<size_t>(n * stride + i)] : int8_t{0};
        const int64_t at = n / 16 * 16 * padded_k + i / 4 * 64 + n % 16 * 4 + i % 4;
        ASSERT_EQ(out[static_cast<size_t>(at)], expected) << "column " << n << ", k " << i;
        sum += expected;
      }
      EXPECT_EQ(sums[static_cast<size_t>(n)], sum);
    }
  }
}

}  // namespace
}  // namespace octet::ops

// Tests of the norm kernels: one set of bits for all of them, and the formulas in double.
#include "ops/norm/norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "device/thread_team.h"
#include "ops/kernel_testing.h"

namespace octet::ops {
namespace {

class NormTest : public ::testing::Test {
  device::FlushDenormals flush_;
};

struct Row {
  std::vector<float> x;
  std::vector<float> weight = {};  ///< empty: none
  std::vector<float> bias = {};    ///< empty: none
  float weight_offset = 0;
  float epsilon = 1e-5f;
  bool subtract_mean = false;
};

NormArgs arguments(const Row& row, float* out) {
  return {.x = row.x.data(),
          .columns = static_cast<int64_t>(row.x.size()),
          .weight = row.weight.empty() ? nullptr : row.weight.data(),
          .bias = row.bias.empty() ? nullptr : row.bias.data(),
          .weight_offset = row.weight_offset,
          .epsilon = row.epsilon,
          .subtract_mean = row.subtract_mean,
          .out = out};
}

std::vector<float> apply(NormFunction* kernel, const Row& row) {
  std::vector<float> out(row.x.size() + 16, 7.0f);
  kernel(arguments(row, out.data()));
  for (size_t i = row.x.size(); i < out.size(); ++i)
    EXPECT_EQ(out[i], 7.0f) << "wrote past the end";
  out.resize(row.x.size());
  return out;
}

/// Every combination of mode, weight, bias and offset for `x`.
std::vector<Row> variants(const std::vector<float>& x, uint32_t seed) {
  const auto columns = static_cast<int64_t>(x.size());
  std::vector<Row> rows;
  for (bool subtract_mean : {false, true}) {
    for (bool with_weight : {false, true}) {
      for (bool with_bias : {false, true}) {
        for (float offset : {0.0f, 1.0f}) {
          Row row{.x = x};
          if (with_weight) row.weight = test::normal_floats(columns, seed + 1);
          if (with_bias) row.bias = test::normal_floats(columns, seed + 2);
          row.weight_offset = offset;
          row.subtract_mean = subtract_mean;
          rows.push_back(row);
        }
      }
    }
  }
  return rows;
}

std::vector<int64_t> widths() {
  std::vector<int64_t> columns;
  for (int64_t n = 1; n <= 70; ++n) columns.push_back(n);
  for (int64_t n : {255, 576, 1000, 4099}) columns.push_back(n);
  return columns;
}

TEST_F(NormTest, EveryInstructionSetGivesTheScalarBits) {
  test::expect_vector_kernels(norm_kernels());
  const auto kernels = test::runnable(norm_kernels());
  for (int64_t columns : widths()) {
    for (float scale : {1.0f, 1e-19f, 1e15f}) {
      const auto seed = static_cast<uint32_t>(columns);
      for (const Row& row : variants(test::normal_floats(columns, seed, scale), seed)) {
        const std::vector<float> expected = apply(kernels[0].function, row);
        for (const auto& kernel : kernels) {
          ASSERT_TRUE(test::same_bits(apply(kernel.function, row), expected))
              << device::name(kernel.isa) << ", " << columns << " columns, x about " << scale;
          Row in_place = row;
          kernel.function(arguments(in_place, in_place.x.data()));
          ASSERT_TRUE(test::same_bits(in_place.x, expected)) << device::name(kernel.isa);
        }
      }
    }
  }
}

TEST_F(NormTest, SpecialValuesGiveTheScalarBitsAndNonFiniteOnesAreNotHidden) {
  const auto kernels = test::runnable(norm_kernels());
  const std::vector<float> special = test::special_floats();
  for (size_t which = 0; which < special.size(); ++which) {
    for (int64_t columns : {5, 16, 33}) {
      std::vector<float> x = test::normal_floats(columns, 9);
      x[static_cast<size_t>(columns) - 1] = special[which];
      for (const Row& row : variants(x, 10)) {
        const std::vector<float> expected = apply(kernels[0].function, row);
        if (!std::isfinite(special[which])) {
          EXPECT_TRUE(std::isnan(expected.back()));
        }
        for (const auto& kernel : kernels) {
          ASSERT_TRUE(test::same_bits(apply(kernel.function, row), expected))
              << device::name(kernel.isa) << ", " << special[which];
        }
      }
    }
  }
}

TEST_F(NormTest, ARowOfZerosGivesTheBias) {
  for (const auto& kernel : test::runnable(norm_kernels())) {
    Row row{.x = std::vector<float>(37, 0.0f)};
    EXPECT_EQ(apply(kernel.function, row), row.x);
    row.subtract_mean = true;
    row.bias = test::normal_floats(37, 1);
    EXPECT_EQ(apply(kernel.function, row), row.bias);
  }
}

/// The formula in double and, beside each value, the bound on a float32 result (u = 2^-24; the
/// factor 1.01 stands for the products of errors). A sum over n elements in 16 lanes and a tree
/// has at most n/16 + 4 roundings.
void expect_near_the_formula(const Row& row, const std::vector<float>& out) {
  const double u = 0x1p-24;
  const auto n = static_cast<double>(row.x.size());
  const double roundings = std::ceil(n / 16) + 4;
  double mean = 0;
  double size = 0;
  for (float v : row.x) mean += v / n;
  for (float v : row.x) size += std::abs(v) / n;
  if (!row.subtract_mean) mean = 0;
  double mean_square = 0;
  for (float v : row.x) mean_square += (v - mean) * (v - mean) / n;
  const double scale = 1 / std::sqrt(mean_square + row.epsilon);
  // The mean is wrong by up to `shift`; the mean of squares around it is larger by its square.
  const double shift = row.subtract_mean ? 1.01 * (roundings + 1) * u * size : 0;
  // mean_square: the sum, 2 for the rounding of each d, the division and + epsilon; half of that
  // through the root, and the root and reciprocal. Then d itself and three products.
  const double relative = ((roundings + 4) / 2 + 2 + 4) * u + shift * shift * scale * scale / 2;
  for (size_t i = 0; i < row.x.size(); ++i) {
    double weight = row.weight.empty() ? 1.0 : row.weight[i];
    double bias = 0;
    if (row.subtract_mean) {
      if (!row.bias.empty()) bias = row.bias[i];
    } else {
      weight += row.weight_offset;
    }
    const double product = (row.x[i] - mean) * scale * weight;
    const double bound = 1.01 * (relative * std::abs(product) + shift * scale * std::abs(weight) +
                                 u * std::abs(product + bias));
    ASSERT_NEAR(out[i], product + bias, bound) << row.x.size() << " columns, element " << i;
  }
}

TEST_F(NormTest, TheScalarKernelIsWithinItsRoundingsOfTheFormula) {
  for (int64_t columns : widths()) {
    const auto seed = static_cast<uint32_t>(columns);
    for (float center : {0.0f, 30.0f}) {
      std::vector<float> x = test::normal_floats(columns, seed);
      for (float& v : x) v += center;
      for (const Row& row : variants(x, seed)) {
        expect_near_the_formula(row, apply(norm_kernels()[0].function, row));
        if (HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace octet::ops

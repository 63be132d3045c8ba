// The oracle layer: every row of Table 1 against a float product, and what decomposition is for.
#include "quant/layer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "quant/absmax.h"

namespace octet::quant {
namespace {

struct Problem {
  int64_t rows = 5;
  int64_t inputs = 96;
  int64_t outputs = 24;
  std::vector<float> x, w, bias;
  std::vector<double> exact;

  /// Columns 3 and 70 of x hold outliers of about `gain`.
  explicit Problem(float gain) {
    std::mt19937 random(6);
    std::normal_distribution<float> normal(0, 1);
    for (int64_t i = 0; i < rows * inputs; ++i) {
      const int64_t column = i % inputs;
      x.push_back(normal(random) * (column == 3 || column == 70 ? gain : 1));
    }
    for (int64_t i = 0; i < outputs * inputs; ++i) {
      w.push_back(round_to_sixteen_bit(normal(random) * 0.1f + 0.02f, SixteenBit::f16));
    }
    for (int64_t n = 0; n < outputs; ++n) bias.push_back(normal(random));
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t n = 0; n < outputs; ++n) {
        double sum = bias[static_cast<size_t>(n)];
        for (int64_t k = 0; k < inputs; ++k) sum += product(r, n, k);
        exact.push_back(sum);
      }
    }
  }
  double product(int64_t r, int64_t n, int64_t k) const {
    return double{x[static_cast<size_t>(r * inputs + k)]} * w[static_cast<size_t>(n * inputs + k)];
  }
  tensor::MatrixView<const float> activations() const { return {x.data(), rows, inputs}; }
  Layer layer(std::span<const int32_t> kept = {}) const {
    return {.w = {w.data(), outputs, inputs}, .bias = bias, .kept_columns = kept};
  }
  double rms_error(const Arithmetic& arithmetic, std::span<const int32_t> kept = {}) const {
    const std::vector<float> y = linear_layer(arithmetic, layer(kept), activations());
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += (y[i] - exact[i]) * (y[i] - exact[i]);
    return std::sqrt(sum / static_cast<double>(y.size()));
  }
};

TEST(OracleLayer, EveryRowOfTable1IsWithinItsQuantisationSteps) {
  const Problem problem(1);
  const float x_max = absmax_scale(problem.x);
  const float w_max = absmax_scale(problem.w);
  for (const TableRow& row : kTable1) {
    const std::vector<float> y =
        linear_layer(row.arithmetic, problem.layer(), problem.activations());
    ASSERT_EQ(y.size(), problem.exact.size());
    // Each code is off by at most one step (half, or one where zeropoint clamps an end), a step
    // being at most the tensor's own: |Δ| ≤ Σ (|x|·dw + |w|·dx + dx·dw); float rounding, at
    // K·2^-24 of the sums, is below a thousandth of that and allowed for by the factor.
    const double dx = x_max / 127.0;
    const double dw = w_max / 127.0;
    for (int64_t r = 0; r < problem.rows; ++r) {
      for (int64_t n = 0; n < problem.outputs; ++n) {
        double bound = 0;
        for (int64_t k = 0; k < problem.inputs; ++k) {
          bound += std::fabs(problem.x[static_cast<size_t>(r * problem.inputs + k)]) * dw +
                   std::fabs(problem.w[static_cast<size_t>(n * problem.inputs + k)]) * dx + dx * dw;
        }
        const auto i = static_cast<size_t>(r * problem.outputs + n);
        EXPECT_NEAR(y[i], problem.exact[i], bound * 1.001) << row.name;
      }
    }
  }
}

TEST(OracleLayer, FinerScalesAndDecompositionReduceTheErrorInThePapersOrder) {
  const Problem problem(40);
  std::vector<double> error;
  for (const TableRow& row : kTable1) error.push_back(problem.rms_error(row.arithmetic));
  const auto [absmax, zeropoint, rowwise, vectorwise, zeropoint_vectorwise, rowwise_decomp, int8,
              int8_zeropoint] = std::array<double, 8>{error[0], error[1], error[2], error[3],
                                                      error[4], error[5], error[6], error[7]};
  EXPECT_LT(vectorwise, absmax);
  EXPECT_LT(rowwise, absmax);
  EXPECT_LT(zeropoint_vectorwise, zeropoint);
  // Outliers of 40 cost log2(40/3) bits of every other value; without them the error falls by far
  // more than half.
  EXPECT_LT(int8, 0.5 * vectorwise);
  EXPECT_LT(rowwise_decomp, 0.5 * rowwise);
  EXPECT_LT(int8_zeropoint, 0.5 * zeropoint_vectorwise);
}

TEST(OracleLayer, AlphaZeroTurnsDecompositionOff) {
  const Problem problem(40);
  Arithmetic off = kTable1[6].arithmetic;
  off.alpha = 0;
  EXPECT_EQ(linear_layer(off, problem.layer(), problem.activations()),
            linear_layer(kTable1[3].arithmetic, problem.layer(), problem.activations()));
}

TEST(OracleLayer, KeptOutlierColumnsOfAllCallsEqualTheColumnsOfThisOne) {
  const Problem problem(40);
  const std::vector<int32_t> kept = {3, 70};
  Arithmetic arithmetic{.outliers = Outliers::kept, .alpha = 6.0f};
  EXPECT_EQ(linear_layer(arithmetic, problem.layer(kept), problem.activations()),
            linear_layer(kTable1[6].arithmetic, problem.layer(), problem.activations()));
  // With only one of them kept, the other's elements take the extra row: still far better than
  // no decomposition, as each has its own scale.
  const std::vector<int32_t> one = {3};
  EXPECT_LT(problem.rms_error(arithmetic, one), 0.5 * problem.rms_error(kTable1[3].arithmetic));
  arithmetic.outliers = Outliers::token;
  EXPECT_LT(problem.rms_error(arithmetic), 0.5 * problem.rms_error(kTable1[3].arithmetic));
}

TEST(OracleLayer, SecondPlaneLeavesOnlyTheErrorOfTheWeights) {
  const Problem problem(1);
  const Arithmetic one{.outliers = Outliers::none};
  const Arithmetic two{.outliers = Outliers::none, .planes = 2};
  EXPECT_LT(problem.rms_error(two), problem.rms_error(one));
}

}  // namespace
}  // namespace octet::quant

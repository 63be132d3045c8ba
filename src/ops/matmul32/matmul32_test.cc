// Tests of the 32-bit product: the contract's order of roundings bit for bit, and the sum in
// double.
#include "ops/matmul32/matmul32.h"

#include <gtest/gtest.h>

#include <cmath>

#include "device/thread_team.h"
#include "ops/kernel_testing.h"

namespace octet::ops {
namespace {

class Matmul32Test : public ::testing::Test {
  device::FlushDenormals flush_;
};

struct Product {
  int64_t rows;
  int64_t k;
  int64_t columns;  ///< rows of the row-major weights
  std::vector<float> a;
  std::vector<float> weights;  ///< [columns, k]
  std::vector<float> packed;
  int64_t a_stride = 0;

  Product(int64_t row_count, int64_t depth, int64_t column_count, uint32_t seed)
      : rows(row_count), k(depth), columns(column_count) {
    a_stride = k + static_cast<int64_t>(seed % 5);
    a = test::normal_floats(rows * a_stride, seed);
    weights = test::normal_floats(columns * k, seed + 1);
    pack();
  }
  void pack() {
    packed.assign(static_cast<size_t>(padded(columns, kPanelColumns) * k), 9.0f);
    pack_panels32(weights.data(), k, columns, k, packed.data());
  }
  int64_t panels() const { return padded(columns, kPanelColumns) / kPanelColumns; }

  /// [rows, 16·panels] by `kernel`, which must not write between the rows.
  std::vector<float> run(Matmul32Function* kernel) const {
    const int64_t width = panels() * kPanelColumns;
    const int64_t stride = width + 3;
    std::vector<float> c(static_cast<size_t>(rows * stride), 7.0f);
    kernel({.a = a.data(),
            .a_stride = a_stride,
            .rows = rows,
            .k = k,
            .b = packed.data(),
            .panels = panels(),
            .c = c.data(),
            .c_stride = stride});
    std::vector<float> result;
    for (int64_t r = 0; r < rows; ++r) {
      const float* row = c.data() + r * stride;
      result.insert(result.end(), row, row + width);
      for (int64_t n = width; n < stride; ++n) EXPECT_EQ(row[n], 7.0f) << "wrote past a row";
    }
    return result;
  }
  float weight(int64_t n, int64_t i) const {
    return n < columns ? weights[static_cast<size_t>(n * k + i)] : 0.0f;
  }
  float x(int64_t r, int64_t i) const { return a[static_cast<size_t>(r * a_stride + i)]; }

  /// One element in the contract's order.
  float in_order(int64_t r, int64_t n) const {
    float c = 0;
    for (int64_t begin = 0; begin < k; begin += 32) {
      float s = 0;
      for (int64_t i = begin; i < std::min(k, begin + 32); ++i)
        s = std::fma(x(r, i), weight(n, i), s);
      c += s;
    }
    return c;
  }

  void expect_in_order(const std::vector<float>& c, device::Isa isa) const {
    const int64_t width = panels() * kPanelColumns;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t n = 0; n < width; ++n) {
        ASSERT_EQ(test::pattern(c[static_cast<size_t>(r * width + n)]),
                  test::pattern(in_order(r, n)))
            << device::name(isa) << ": " << rows << " x " << k << " x " << columns << ", row " << r
            << ", column " << n;
      }
    }
  }
};

TEST_F(Matmul32Test, EveryInstructionSetKeepsTheOrderOfRoundingsOnRandomShapes) {
  test::expect_vector_kernels(matmul32_kernels());
  const auto kernels = test::runnable(matmul32_kernels());
  std::mt19937 random(8);
  for (uint32_t round = 0; round < 500; ++round) {
    const Product product(random() % 30, random() % (round % 10 == 0 ? 700 : 150), random() % 130,
                          round);
    for (const auto& kernel : kernels) {
      product.expect_in_order(product.run(kernel.function), kernel.isa);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(Matmul32Test, ManyRowsAndLongSumsKeepTheOrderToo) {
  const auto kernels = test::runnable(matmul32_kernels());
  for (const Product& product :
       {Product(300, 33, 17, 1), Product(257, 257, 49, 2), Product(1, 20001, 16, 3),
        Product(9, 5000, 33, 4), Product(1, 64, 1000, 5)}) {
    for (const auto& kernel : kernels) {
      product.expect_in_order(product.run(kernel.function), kernel.isa);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(Matmul32Test, SpecialValuesKeepTheOrderToo) {
  const auto kernels = test::runnable(matmul32_kernels());
  const std::vector<float> special = test::special_floats();
  for (size_t which = 0; which < special.size(); ++which) {
    Product product(10, 70, 50, 6);
    product.a[3] = special[which];
    product.weights[71] = special[(which * 7 + 3) % special.size()];
    product.weights[3] = special[(which * 5 + 1) % special.size()];
    product.pack();
    for (const auto& kernel : kernels) {
      product.expect_in_order(product.run(kernel.function), kernel.isa);
      if (HasFatalFailure()) return;
    }
  }
}

// A chain has 32 roundings, the sum of chains one per chain: |error| ≤ γ·Σ|a·b| with
// γ = (32 + ⌈k/32⌉)·u, u = 2^-24, and 1% for products of errors.
TEST_F(Matmul32Test, TheScalarKernelIsWithinItsRoundingsOfTheSumInDouble) {
  for (int64_t k : {1, 31, 32, 33, 576, 4000}) {
    const Product product(3, k, 20, static_cast<uint32_t>(k));
    const std::vector<float> c = product.run(matmul32_kernels()[0].function);
    const double unit = 1.01 * 0x1p-24 * (32 + std::ceil(static_cast<double>(k) / 32));
    for (int64_t r = 0; r < product.rows; ++r) {
      for (int64_t n = 0; n < product.columns; ++n) {
        double sum = 0;
        double size = 0;
        for (int64_t i = 0; i < k; ++i) {
          const double term = static_cast<double>(product.x(r, i)) * product.weight(n, i);
          sum += term;
          size += std::abs(term);
        }
        const auto at = static_cast<size_t>(r * product.panels() * kPanelColumns + n);
        ASSERT_NEAR(c[at], sum, unit * size) << "k = " << k;
      }
    }
  }
}

TEST_F(Matmul32Test, PanelsHoldSixteenColumnsSideBySideAndZerosBeyondTheLast) {
  const Product product(0, 5, 21, 1);
  for (int64_t n = 0; n < 32; ++n) {
    for (int64_t i = 0; i < 5; ++i) {
      const auto at = static_cast<size_t>((n / 16) * 5 * 16 + i * 16 + n % 16);
      ASSERT_EQ(product.packed[at], product.weight(n, i)) << "column " << n << ", k " << i;
    }
  }
}

}  // namespace
}  // namespace octet::ops

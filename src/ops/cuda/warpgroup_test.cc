// Products of warpgroups against those of warps, and against plain sums.
#include <gtest/gtest.h>

#include <random>

#include "device/gpu.h"
#include "ops/cuda/product.h"
#include "ops/kernel_testing.h"
#include "support/gpu.h"

namespace octet::ops::cuda {
namespace {

using device::GpuArray;

class GpuWarpgroups : public testing::Test {
 protected:
  void SetUp() override {
    OCTET_REQUIRE_GPU();
    device::use_gpu(0);
    if (device::list_gpus().gpus[0].capability_major != 9) {
      GTEST_SKIP() << "needs compute capability 9.0";
    }
  }
};

struct Shape {
  int64_t rows;
  int64_t columns;
  int64_t k;
};
/// One tile and many, ends of rows, outputs and K inside of them, and more stages than are held.
constexpr Shape kShapes[] = {{1, 16, 64},      {64, 256, 128}, {65, 100, 192},
                             {130, 300, 1088}, {200, 24, 576}, {300, 520, 256}};

/// Codes from −largest to largest.
std::vector<int8_t> codes(int64_t count, uint32_t seed, int largest) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> any(-largest, largest);
  std::vector<int8_t> values(static_cast<size_t>(count));
  for (int8_t& value : values) value = static_cast<int8_t>(any(random));
  return values;
}

TEST_F(GpuWarpgroups, SumsAreThoseOfPlainIntegers) {
  for (const Shape& shape : kShapes) {
    const std::vector<int8_t> a = codes(code_rows(shape.rows, 1) * shape.k, 1, 127);
    const std::vector<int8_t> b = codes(rounded_up(shape.columns, 16) * shape.k, 2, 127);
    const GpuArray<int8_t> gpu_a(std::span<const int8_t>(a), nullptr);
    const GpuArray<int8_t> gpu_b(std::span<const int8_t>(b), nullptr);
    GpuArray<int32_t> out(shape.rows * shape.columns);
    warpgroup_product({.a = gpu_a.data(),
                       .rows = shape.rows,
                       .b = gpu_b.data(),
                       .k_bytes = shape.k,
                       .columns = shape.columns,
                       .epilogue = {.out_stride = shape.columns, .sums = out.data()},
                       .workspace = {}},
                      nullptr);
    std::vector<int32_t> sums(static_cast<size_t>(out.size()));
    device::copy_from_gpu(sums.data(), out.data(), out.bytes(), nullptr);
    device::synchronize(nullptr);
    for (int64_t r = 0; r < shape.rows; ++r) {
      for (int64_t n = 0; n < shape.columns; ++n) {
        int32_t sum = 0;
        for (int64_t k = 0; k < shape.k; ++k) {
          sum += a[static_cast<size_t>(r * shape.k + k)] * b[static_cast<size_t>(n * shape.k + k)];
        }
        ASSERT_EQ(sums[static_cast<size_t>(r * shape.columns + n)], sum)
            << shape.rows << " x " << shape.columns << " x " << shape.k << ", row " << r
            << ", output " << n;
      }
    }
  }
}

/// Random operands of a product with all that an epilogue can have.
struct Operands {
  static constexpr int64_t kKept = 32;

  Operands(const Shape& of, int plane_count)
      : shape(of),
        planes(plane_count),
        a(std::span<const int8_t>(
              codes(code_rows(shape.rows, planes) * shape.k, 1, planes == 2 ? 64 : 127)),
          nullptr),
        b(std::span<const int8_t>(codes(rounded_up(shape.columns, 16) * shape.k, 2, 127)), nullptr),
        row_factors(floats(shape.rows, 3)),
        column_factors(floats(rounded_up(shape.columns, 16), 4)),
        kept_a(halves(code_rows(shape.rows, 2) * kKept, 5)),
        kept_b(halves(rounded_up(shape.columns, 16) * kKept, 6)),
        kept_scales(floats(shape.rows, 7)),
        bias(floats(rounded_up(shape.columns, 16), 8)),
        residual(floats(shape.rows * shape.columns, 9)),
        extra_factors(floats(shape.rows, 10)) {
    std::vector<int32_t> slot(static_cast<size_t>(shape.rows));
    for (size_t r = 0; r < slot.size(); ++r) slot[r] = static_cast<int32_t>(r % 3) - 1;
    extra_slots = GpuArray<int32_t>(std::span<const int32_t>(slot), nullptr);
    std::vector<int32_t> sums(static_cast<size_t>(2 * shape.columns));
    for (size_t i = 0; i < sums.size(); ++i) sums[i] = static_cast<int32_t>(i * 37);
    extra_sums = GpuArray<int32_t>(std::span<const int32_t>(sums), nullptr);
  }

  static GpuArray<float> floats(int64_t count, uint32_t seed) {
    return {std::span<const float>(test::normal_floats(count, seed)), nullptr};
  }
  /// f16 values of magnitudes from 1 to 2.
  static GpuArray<uint16_t> halves(int64_t count, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<uint16_t> bits(static_cast<size_t>(count));
    for (uint16_t& one : bits) one = static_cast<uint16_t>(0x3c00 | (random() & 0x83ff));
    return {std::span<const uint16_t>(bits), nullptr};
  }

  std::vector<float> run(void (*product)(const Product&, device::Stream)) const {
    const int64_t count = shape.rows * shape.columns;
    GpuArray<float> out(count);
    GpuArray<std::byte> partial(kPartialBytes / 16);
    GpuArray<uint32_t> counters(64);
    device::zero_gpu(counters.data(), counters.bytes(), nullptr);
    product({.a = a.data(),
             .rows = shape.rows,
             .planes = planes,
             .b = b.data(),
             .k_bytes = shape.k,
             .columns = shape.columns,
             .epilogue = {.row_factors = row_factors.data(),
                          .column_factors = column_factors.data(),
                          .extra_slots = planes == 1 ? extra_slots.data() : nullptr,
                          .extra_sums = extra_sums.data(),
                          .extra_stride = shape.columns,
                          .extra_factors = extra_factors.data(),
                          .kept_a = kept_a.data(),
                          .kept_b = kept_b.data(),
                          .kept_k = kKept,
                          .kept_scales = kept_scales.data(),
                          .bias = bias.data(),
                          .residual = residual.data(),
                          .residual_stride = shape.columns,
                          .out = out.data(),
                          .out_stride = shape.columns},
             .workspace = {.partial = partial.data(),
                           .partial_bytes = partial.bytes(),
                           .counters = counters.data(),
                           .counter_count = counters.size()}},
            nullptr);
    std::vector<float> result(static_cast<size_t>(count));
    device::copy_from_gpu(result.data(), out.data(), out.bytes(), nullptr);
    device::synchronize(nullptr);
    return result;
  }

  Shape shape;
  int planes;
  GpuArray<int8_t> a;
  GpuArray<int8_t> b;
  GpuArray<float> row_factors;
  GpuArray<float> column_factors;
  GpuArray<uint16_t> kept_a;
  GpuArray<uint16_t> kept_b;
  GpuArray<float> kept_scales;
  GpuArray<float> bias;
  GpuArray<float> residual;
  GpuArray<float> extra_factors;
  GpuArray<int32_t> extra_slots;
  GpuArray<int32_t> extra_sums;
};

TEST_F(GpuWarpgroups, OutputsAreTheBitsOfTheProductsOfWarps) {
  for (const Shape& shape : kShapes) {
    for (const int planes : {1, 2}) {
      const Operands operands(shape, planes);
      EXPECT_TRUE(test::same_bits(operands.run(warpgroup_product), operands.run(int8_product)))
          << shape.rows << " x " << shape.columns << " x " << shape.k << ", " << planes
          << " planes";
    }
  }
}

TEST_F(GpuWarpgroups, TakeInt8ProductsOfManyRowsWhereTheWorkspaceSaysSo) {
  Product product = {.rows = 512, .columns = 4096, .epilogue = {}, .workspace = {}};
  product.workspace.multiprocessors = 132;
  EXPECT_FALSE(suits_warpgroups(product));
  product.workspace.warpgroups = true;
  product.planes = 2;
  EXPECT_TRUE(suits_warpgroups(product));
  product.planes = 1;  // 64 tiles of 128 rows by 256 outputs
  EXPECT_FALSE(suits_warpgroups(product));
}

}  // namespace
}  // namespace octet::ops::cuda

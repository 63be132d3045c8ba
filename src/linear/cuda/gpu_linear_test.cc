// Linear layers on a GPU against the same layers on a CPU.
#include "linear/cuda/gpu_linear.h"

#include <gtest/gtest.h>

#include <cmath>

#include "device/gpu.h"
#include "linear/test_layer.h"
#include "ops/activation/activation.h"
#include "ops/norm/norm.h"
#include "support/gpu.h"

namespace octet::linear {
namespace {

constexpr unsigned long long kNoError = ~0ull;

class GpuLinearTest : public testing::Test {
 protected:
  void SetUp() override {
    OCTET_REQUIRE_GPU();
    device::use_gpu(0);
    workspace_ = std::make_unique<GpuWorkspace>(device::list_gpus().gpus[0].multiprocessors);
  }

  /// Rows [first, first + rows) of `source.x` (values of the host) through the layer.
  std::vector<float> run(const Linear& linear, const std::vector<float>& x, int64_t columns,
                         int64_t stride, int64_t first, int64_t rows,
                         ops::cuda::RowSource source = {}, const float* residual = nullptr) {
    device::GpuArray<std::byte> staging;
    const GpuLinear gpu(linear, staging, nullptr);
    const device::GpuArray<float> on_gpu(
        std::span<const float>(x).subspan(static_cast<size_t>(first * stride),
                                          static_cast<size_t>(rows * stride)),
        nullptr);
    source.x = on_gpu.data();
    source.stride = stride;
    source.columns = columns;
    std::vector<float> out(static_cast<size_t>(rows * linear.outputs()), NAN);
    device::GpuArray<float> gpu_out(std::span<const float>(out), nullptr);
    device::GpuArray<unsigned long long> error(std::span(&kNoError, 1), nullptr);
    device::GpuArray<float> gpu_residual;
    if (residual != nullptr) {
      gpu_residual = device::GpuArray<float>(std::span(residual, out.size()), nullptr);
    }
    gpu.forward({.source = source,
                 .rows = rows,
                 .activation_bits = linear.precision().activation_bits,
                 .residual = gpu_residual.data(),
                 .residual_stride = linear.outputs(),
                 .out = gpu_out.data(),
                 .out_stride = linear.outputs(),
                 .error = {error.data(), 7}},
                *workspace_, nullptr);
    device::copy_from_gpu(out.data(), gpu_out.data(), gpu_out.bytes(), nullptr);
    device::copy_from_gpu(&error_, error.data(), sizeof error_, nullptr);
    device::synchronize(nullptr);
    return out;
  }
  std::vector<float> run(const Linear& linear, const TestLayer& layer) {
    return run(linear, layer.x, layer.inputs, layer.inputs, 0, layer.rows);
  }

  std::unique_ptr<GpuWorkspace> workspace_;
  unsigned long long error_ = kNoError;
  device::Cpu cpu_{2};
  Workspace cpu_workspace_;
};

struct Shape {
  int64_t outputs;
  int64_t inputs;
};
constexpr Shape kShapes[] = {{100, 130}, {16, 64}, {256, 576}, {130, 1536}, {24, 5000}};
constexpr int64_t kRows[] = {1, 2, 8, 9, 16, 17, 32, 33, 65, 130};

TEST_F(GpuLinearTest, Int8LayersWithoutSixteenBitColumnsGiveTheCpusBits) {
  const Precision precisions[] = {
      {.method = Method::llm_int8, .outliers = OutlierMode::token, .activation_bits = 16},
      {.method = Method::llm_int8, .outliers = OutlierMode::token, .activation_bits = 8},
      {.method = Method::llm_int8, .threshold = 0, .activation_bits = 8},
      {.method = Method::absmax_vectorwise, .activation_bits = 8},
      {.method = Method::absmax_rowwise, .activation_bits = 8},
  };
  for (const Precision& precision : precisions) {
    for (const Shape& shape : kShapes) {
      for (const int64_t rows : kRows) {
        const TestLayer layer(shape.outputs, shape.inputs, rows);
        const Linear linear = layer.pack(cpu_, precision);
        EXPECT_EQ(first_difference(run(linear, layer),
                                   linear::run(cpu_, linear, layer.activations(), cpu_workspace_)),
                  "")
            << name(precision.method) << ' ' << precision.activation_bits << " bits, " << rows
            << " rows, " << shape.outputs << " x " << shape.inputs;
        EXPECT_EQ(error_, kNoError);
      }
    }
  }
}

/// Σ |x·w| over some input columns, for each output of each row.
std::vector<double> magnitudes(const TestLayer& layer, const std::vector<int32_t>& columns) {
  std::vector<double> sums(static_cast<size_t>(layer.rows * layer.outputs));
  for (int64_t r = 0; r < layer.rows; ++r) {
    for (int64_t n = 0; n < layer.outputs; ++n) {
      double sum = 0;
      for (int32_t i : columns) {
        sum += std::fabs(static_cast<double>(layer.x[static_cast<size_t>(r * layer.inputs + i)]) *
                         layer.w[static_cast<size_t>(n * layer.inputs + i)]);
      }
      sums[static_cast<size_t>(r * layer.outputs + n)] = sum;
    }
  }
  return sums;
}

TEST_F(GpuLinearTest, KeptColumnsDifferFromTheCpuByTheirPlanesRoundingAlone) {
  for (const quant::SixteenBit stored : {quant::SixteenBit::f16, quant::SixteenBit::bf16}) {
    for (const int bits : {16, 8}) {
      for (const Shape& shape : kShapes) {
        for (const int64_t rows : kRows) {
          const TestLayer layer(shape.outputs, shape.inputs, rows, stored);
          const Linear linear =
              layer.pack(cpu_, {.method = Method::llm_int8, .activation_bits = bits});
          const std::vector<float> gpu = run(linear, layer);
          const std::vector<float> cpu =
              linear::run(cpu_, linear, layer.activations(), cpu_workspace_);
          const std::vector<double> kept = magnitudes(layer, layer.kept);
          for (size_t i = 0; i < gpu.size(); ++i) {
            // The CPU rounds activations to two bfloat16 planes (2^-16), the GPU to as many or to
            // f16 ones (better); of f16 weights the CPU leaves out the product of both second
            // planes (2^-8 · 2^-7); sums of at most 9 terms; then four roundings of the result.
            const double bound = kept[i] * (0x1p-15 + 0x1p-15 + 18 * 0x1p-24) +
                                 std::fabs(static_cast<double>(cpu[i])) * 4 * 0x1p-24 + 1e-30;
            ASSERT_NEAR(gpu[i], cpu[i], bound)
                << bits << " bits, " << rows << " rows, " << shape.outputs << " x " << shape.inputs
                << ", element " << i;
          }
        }
      }
    }
  }
}

TEST_F(GpuLinearTest, SixteenBitLayersAreWithinTheRoundingOfTheirPlanesAndSums) {
  const Precision precisions[] = {
      {.method = Method::fp16},
      {.method = Method::bf16, .sixteen_bit_planes = 2},
      {.method = Method::bf16, .sixteen_bit_planes = 1},
      {.method = Method::fp32},
  };
  for (const Precision& precision : precisions) {
    for (const Shape& shape : kShapes) {
      for (const int64_t rows : {1, 9, 40, 130}) {
        const TestLayer layer(shape.outputs, shape.inputs, rows, quant::SixteenBit::bf16);
        const Linear linear = layer.pack(cpu_, precision);
        const std::vector<float> gpu = run(linear, layer);
        std::vector<int32_t> all(static_cast<size_t>(layer.inputs));
        for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i);
        const std::vector<double> sums = magnitudes(layer, all);
        // One plane of bfloat16: 2^-8 of each activation, two: 2^-16. Sums of K terms in float32,
        // which tensor cores cut rather than round (2^-23 each).
        const double plane = precision.method == Method::fp32    ? 0
                             : precision.sixteen_bit_planes == 1 ? 0x1p-8
                                                                 : 0x1p-16;
        const double bound = plane + static_cast<double>(layer.inputs) * 0x1p-23;
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t n = 0; n < layer.outputs; ++n) {
            double exact = layer.bias[static_cast<size_t>(n)];
            for (int64_t i = 0; i < layer.inputs; ++i) {
              exact += static_cast<double>(layer.x[static_cast<size_t>(r * layer.inputs + i)]) *
                       layer.w[static_cast<size_t>(n * layer.inputs + i)];
            }
            const auto at = static_cast<size_t>(r * layer.outputs + n);
            ASSERT_NEAR(gpu[at], exact, sums[at] * bound + std::fabs(exact) * 0x1p-22)
                << name(precision.method) << ", " << rows << " rows, " << shape.inputs;
          }
        }
      }
    }
  }
}

TEST_F(GpuLinearTest, ARowHasTheSameBitsAloneAndInAnyBatch) {
  const Precision precisions[] = {
      {.method = Method::fp16},
      {.method = Method::bf16, .sixteen_bit_planes = 1},
      {.method = Method::fp32},
      {.method = Method::llm_int8, .activation_bits = 16},
      {.method = Method::llm_int8, .activation_bits = 8},
  };
  for (const Precision& precision : precisions) {
    for (const Shape& shape : kShapes) {
      const TestLayer layer(shape.outputs, shape.inputs, 150);
      const Linear linear = layer.pack(cpu_, precision);
      const std::vector<float> all = run(linear, layer);
      for (const int64_t rows : {1, 5, 11, 20, 40, 70}) {
        const int64_t first = 150 - rows - 3;
        const std::vector<float> some =
            run(linear, layer.x, layer.inputs, layer.inputs, first, rows);
        EXPECT_EQ(
            first_difference(some, std::span(all).subspan(
                                       static_cast<size_t>(first * layer.outputs), some.size())),
            "")
            << name(precision.method) << ' ' << rows << " rows, " << shape.inputs;
      }
    }
  }
}

TEST_F(GpuLinearTest, ProductsOfWarpgroupsGiveALayerTheBitsOfThoseOfWarps) {
  if (device::list_gpus().gpus[0].capability_major != 9) GTEST_SKIP() << "needs 9.0";
  const TestLayer layer(300, 576, 130);
  for (const int bits : {16, 8}) {
    const Linear linear = layer.pack(cpu_, {.method = Method::llm_int8, .activation_bits = bits});
    workspace_->warpgroups = false;
    const std::vector<float> of_warps = run(linear, layer);
    GpuWorkspace small(1);  // of one multiprocessor, which any product fills
    small.warpgroups = true;
    std::swap(*workspace_, small);
    EXPECT_EQ(first_difference(run(linear, layer), of_warps), "") << bits << " bits";
    std::swap(*workspace_, small);
  }
}

TEST_F(GpuLinearTest, ActivationsMadeOnTheWayAreTheCpusAndResidualsAreAdded) {
  const int64_t inputs = 192;
  const int64_t rows = 11;
  const TestLayer layer(64, inputs, rows);
  const TestLayer gates(64, 2 * inputs, rows, quant::SixteenBit::f16, 5);
  const Linear linear = layer.pack(
      cpu_, {.method = Method::llm_int8, .outliers = OutlierMode::token, .activation_bits = 8});
  const auto activate = ops::activation_kernels().front().function;
  for (const auto kind :
       {ops::Activation::relu, ops::Activation::silu, ops::Activation::gelu,
        ops::Activation::gelu_tanh, ops::Activation::quick_gelu, ops::Activation::relu_squared}) {
    std::vector<float> made(static_cast<size_t>(rows * inputs));
    for (int64_t r = 0; r < rows; ++r) {
      const float* gate = &gates.x[static_cast<size_t>(r * 2 * inputs)];
      activate({.kind = kind,
                .x = gate,
                .up = gate + inputs,
                .columns = inputs,
                .out = &made[static_cast<size_t>(r * inputs)]});
    }
    const std::vector<float> residual(static_cast<size_t>(rows * 64), 0.5f);
    std::vector<float> expected(residual.size());
    linear.forward(cpu_, {made.data(), rows, inputs}, {expected.data(), rows, 64},
                   {.activation_bits = 8, .residual = residual.data(), .residual_stride = 64},
                   cpu_workspace_);
    const std::vector<float> gpu =
        run(linear, gates.x, inputs, 2 * inputs, 0, rows,
            {.kind = ops::cuda::RowSource::Kind::activation, .activation = kind, .gated = true},
            residual.data());
    EXPECT_EQ(first_difference(gpu, expected), "") << static_cast<int>(kind);
  }
}

TEST_F(GpuLinearTest, NormsAreWithinTheRoundingOfTheirSums) {
  for (const int64_t columns : {64, 576, 4096, 20000}) {
    const TestLayer layer(16, columns, 3);
    const std::vector<float> weight(layer.w.begin(), layer.w.begin() + columns);
    const device::GpuArray<float> x(std::span<const float>(layer.x), nullptr);
    const device::GpuArray<float> gpu_weight(std::span<const float>(weight), nullptr);
    for (const bool subtract_mean : {false, true}) {
      device::GpuArray<float> out(3 * columns);
      ops::cuda::make_rows({.kind = ops::cuda::RowSource::Kind::norm,
                            .x = x.data(),
                            .stride = columns,
                            .columns = columns,
                            .weight = gpu_weight.data(),
                            .bias = gpu_weight.data(),
                            .weight_offset = 1,
                            .epsilon = 1e-5f,
                            .subtract_mean = subtract_mean},
                           3, out.data(), columns, {}, nullptr);
      std::vector<float> gpu(static_cast<size_t>(3 * columns));
      device::copy_from_gpu(gpu.data(), out.data(), out.bytes(), nullptr);
      device::synchronize(nullptr);
      for (int64_t r = 0; r < 3; ++r) {
        const float* row = &layer.x[static_cast<size_t>(r * columns)];
        double mean = 0;
        double square = 0;
        if (subtract_mean) {
          for (int64_t i = 0; i < columns; ++i) mean += row[i] / static_cast<double>(columns);
        }
        for (int64_t i = 0; i < columns; ++i) square += (row[i] - mean) * (row[i] - mean);
        const double factor = 1 / std::sqrt(square / static_cast<double>(columns) + 1e-5);
        for (int64_t i = 0; i < columns; ++i) {
          const double w = weight[static_cast<size_t>(i)];
          const double exact = (row[i] - mean) * factor * (w + 1) + w;
          // A thread's chain has at most 20 terms and the tree 10 levels: (30 + 6) roundings, of
          // the values and of a mean of magnitude below 1.
          const double bound =
              36 * 0x1p-24 * ((std::fabs(row[i]) + 1) * factor * std::fabs(w + 1) + std::fabs(w));
          ASSERT_NEAR(gpu[static_cast<size_t>(r * columns + i)], exact, bound) << columns;
        }
      }
    }
  }
}

TEST_F(GpuLinearTest, AValueThatIsNotFiniteLeavesItsRowInTheErrorMark) {
  TestLayer layer(32, 100, 20);
  layer.x[7 * 100 + 3] = INFINITY;
  layer.x[12 * 100 + 99] = NAN;
  for (const Precision& precision :
       {Precision{.method = Method::llm_int8}, Precision{.method = Method::fp16},
        Precision{.method = Method::fp32},
        Precision{.method = Method::llm_int8, .activation_bits = 8}}) {
    const Linear linear = layer.pack(cpu_, precision);
    run(linear, layer);
    EXPECT_EQ(error_, (7ull << 32) | 7) << name(precision.method);
  }
}

}  // namespace
}  // namespace octet::linear

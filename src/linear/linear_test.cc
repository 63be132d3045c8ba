// The linear layer equals the oracle bit for bit, alone and in any batch, on every instruction set.
#include "linear/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "linear/test_layer.h"
#include "support/amx_emulator.h"

namespace octet::linear {
namespace {

using tensor::MatrixView;

std::string describe(const Precision& precision) {
  return fmt::format("{} outliers={} bits={} threshold={}", name(precision.method),
                     name(precision.outliers), precision.activation_bits, precision.threshold);
}

/// Every int8 method in every outlier mode and activation width it has.
std::vector<Precision> int8_precisions() {
  std::vector<Precision> all;
  for (Method method : all_methods()) {
    if (!is_int8(method)) continue;
    for (OutlierMode outliers : {OutlierMode::kept, OutlierMode::batch, OutlierMode::token}) {
      for (int bits : {8, 16}) {
        if (bits == 16 && method != Method::llm_int8) continue;
        if (!has_decomposition(method) && outliers != OutlierMode::kept) continue;
        all.push_back({.method = method, .outliers = outliers, .activation_bits = bits});
      }
    }
  }
  return all;
}

TEST(Linear, EveryInt8MethodEqualsTheOracleBitForBit) {
  for (const auto& [outputs, inputs, rows] :
       {std::array<int64_t, 3>{37, 200, 9}, {16, 64, 1}, {1, 1, 3}, {100, 91, 40}}) {
    for (quant::SixteenBit stored : {quant::SixteenBit::f16, quant::SixteenBit::bf16}) {
      const TestLayer layer(outputs, inputs, rows, stored);
      for (const Precision& precision : int8_precisions()) {
        const std::vector<float> expected = oracle(layer, precision, layer.activations());
        for (device::Isa isa : isas_of(device::cpu_features())) {
          device::Cpu cpu(2, isa);
          Workspace workspace;
          const Linear linear = layer.pack(cpu, precision);
          EXPECT_EQ(first_difference(run(cpu, linear, layer.activations(), workspace), expected),
                    "")
              << describe(precision) << " on " << device::name(isa) << ", " << outputs << " × "
              << inputs;
        }
      }
    }
  }
}

TEST(Linear, ThresholdZeroTurnsDecompositionOff) {
  const TestLayer layer(24, 100, 5);
  for (Precision precision : int8_precisions()) {
    precision.threshold = 0;
    device::Cpu cpu(1);
    Workspace workspace;
    const Linear linear = layer.pack(cpu, precision);
    EXPECT_TRUE(linear.parts().kept_columns.empty());
    EXPECT_TRUE(linear.parts().panels16.empty());
    EXPECT_EQ(first_difference(run(cpu, linear, layer.activations(), workspace),
                               oracle(layer, precision, layer.activations())),
              "")
        << describe(precision);
  }
}

std::vector<Precision> precisions_of_independent_rows() {
  std::vector<Precision> all = int8_precisions();
  std::erase_if(all, [](const Precision& p) { return depends_on_call(p.method, p.outliers); });
  all.push_back({.method = Method::fp32});
  all.push_back({.method = Method::fp16});
  all.push_back({.method = Method::bf16, .sixteen_bit_planes = 1});
  all.push_back({.method = Method::bf16, .sixteen_bit_planes = 2});
  return all;
}

TEST(Linear, ARowHasTheSameBitsAloneAndInAnyBatchOnAnyThreadsAndInstructionSet) {
  const test::AmxEmulator emulator;
  const device::CpuFeatures features = test::features_with_emulated_amx();
  const int64_t rows = 70;
  const TestLayer layer(83, 150, rows);
  for (const Precision& precision : precisions_of_independent_rows()) {
    device::Cpu scalar(1, device::Isa::scalar);
    const Linear reference = layer.pack(scalar, precision);
    Workspace workspace;
    std::vector<float> alone;
    for (int64_t r = 0; r < rows; ++r) {
      const auto row = run(scalar, reference, layer.activations().slice_rows(r, 1), workspace);
      alone.insert(alone.end(), row.begin(), row.end());
    }
    for (device::Isa isa : isas_of(features)) {
      for (int threads = 1; threads <= 3; ++threads) {
        device::Cpu cpu(threads, isa, features);
        const Linear linear = layer.pack(cpu, precision);
        const auto& product = ops::choose(ops::int8_matmul_kernels(), cpu.features());
        const auto& product16 = ops::choose(ops::matmul16_kernels(), cpu.features());
        ASSERT_TRUE(product.isa == isa || product16.isa == isa);
        ASSERT_EQ(linear.kernels().int8_matmul, product.function);
        ASSERT_EQ(linear.kernels().matmul16, product16.function);
        // The last `count` rows, so that a row takes every place in a batch.
        for (int64_t count = 1; count <= rows; count += threads == 2 ? 1 : 7) {
          const std::vector<float> batch =
              run(cpu, linear, layer.activations().slice_rows(rows - count, count), workspace);
          ASSERT_EQ(first_difference(batch, std::span(alone).last(batch.size())), "")
              << describe(precision) << " on " << device::name(isa) << ", " << threads
              << " threads, " << count << " rows";
        }
      }
    }
  }
}

TEST(Linear, ManyRowsCutIntoTilesEqualEveryRowAlone) {
  const int64_t rows = 300;
  const TestLayer layer(600, 70, rows);
  device::Cpu cpu(3);
  Workspace workspace;
  for (int bits : {8, 16}) {
    const Precision precision{.activation_bits = bits};
    const Linear linear = layer.pack(cpu, precision);
    const std::vector<float> batch = run(cpu, linear, layer.activations(), workspace);
    for (int64_t r = 0; r < rows; r += 13) {
      const auto alone = run(cpu, linear, layer.activations().slice_rows(r, 1), workspace);
      EXPECT_EQ(
          first_difference(std::span(batch).subspan(static_cast<size_t>(r * 600), 600), alone), "");
    }
  }
}

TEST(Linear, SixteenAndThirtyTwoBitLayersFollowTheirStatedOrder) {
  const TestLayer layer(21, 100, 4);
  device::Cpu cpu(2);
  Workspace workspace;
  const device::FlushDenormals flush;
  for (const auto& [precision, type] :
       {std::pair{Precision{.method = Method::fp16}, quant::SixteenBit::f16},
        {Precision{.method = Method::bf16}, quant::SixteenBit::bf16},
        {Precision{.method = Method::bf16, .sixteen_bit_planes = 1}, quant::SixteenBit::bf16}}) {
    std::vector<float> w = layer.w;
    for (float& value : w) value = quant::round_to_sixteen_bit(value, type);
    const std::vector<float> y =
        run(cpu, layer.pack(cpu, precision), layer.activations(), workspace);
    for (size_t i = 0; i < y.size(); ++i) {
      const size_t r = i / 21;
      const size_t n = i % 21;
      EXPECT_EQ(y[i], quant::product16(std::span(layer.x).subspan(r * 100, 100),
                                       precision.sixteen_bit_planes,
                                       std::span(w).subspan(n * 100, 100), type) +
                          layer.bias[n]);
    }
  }
  const std::vector<float> y =
      run(cpu, layer.pack(cpu, {.method = Method::fp32}), layer.activations(), workspace);
  for (size_t i = 0; i < y.size(); ++i) {
    float sum = 0;
    for (size_t first = 0; first < 100; first += 32) {
      float block = 0;
      for (size_t k = first; k < std::min<size_t>(100, first + 32); ++k) {
        block = std::fma(layer.x[i / 21 * 100 + k], layer.w[i % 21 * 100 + k], block);
      }
      sum += block;
    }
    EXPECT_EQ(y[i], sum + layer.bias[i % 21]);
  }
}

TEST(Linear, ResidualIsAddedLastAndMayBeTheOutput) {
  const TestLayer layer(19, 64, 6);
  device::Cpu cpu(2);
  Workspace workspace;
  for (Method method : all_methods()) {
    const Precision precision{.method = method, .activation_bits = 8};
    const Linear linear = layer.pack(cpu, precision);
    const std::vector<float> plain = run(cpu, linear, layer.activations(), workspace);
    const int64_t stride = 23;
    std::vector<float> out(6 * stride);
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(i) * 0.37f;
    const std::vector<float> before = out;
    linear.forward(cpu, layer.activations(), {out.data(), 6, 19, stride},
                   {.activation_bits = 8, .residual = out.data(), .residual_stride = stride},
                   workspace);
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t column = i % stride;
      const float expected = column < 19 ? plain[i / stride * 19 + column] + before[i] : before[i];
      EXPECT_EQ(out[i], expected) << name(method);
    }
  }
}

TEST(Linear, MethodsThatDependOnTheCallSeeEachSequenceByItself) {
  const TestLayer layer(20, 80, 10);
  device::Cpu cpu(2);
  Workspace workspace;
  for (const Precision& precision :
       {Precision{.method = Method::absmax}, Precision{.method = Method::zeropoint},
        Precision{.outliers = OutlierMode::batch, .activation_bits = 8}}) {
    const Linear linear = layer.pack(cpu, precision);
    std::vector<float> out(10 * 20);
    const std::vector<int64_t> calls = {0, 3, 4};
    ASSERT_EQ(linear.forward(cpu, layer.activations(), {out.data(), 10, 20},
                             {.activation_bits = 8, .calls = calls}, workspace),
              -1);
    std::vector<float> expected;
    for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 3}, {3, 1}, {4, 6}}) {
      const auto part = oracle(layer, precision, layer.activations().slice_rows(first, count));
      expected.insert(expected.end(), part.begin(), part.end());
    }
    EXPECT_EQ(first_difference(out, expected), "") << name(precision.method);
  }
}

TEST(Linear, PhasesCalledAloneGiveWhatForwardGives) {
  const TestLayer layer(50, 130, 12);
  device::Cpu cpu(2);
  for (const Precision& precision : int8_precisions()) {
    if (is_zeropoint(precision.method)) continue;
    Workspace workspace;
    const Linear linear = layer.pack(cpu, precision);
    const LinearCall call{.activation_bits = precision.activation_bits};
    std::vector<float> out(12 * 50);
    EXPECT_EQ(linear.row_maxima(cpu, layer.activations(), call, workspace), -1);
    linear.multiply(cpu, layer.activations(), call, workspace);
    linear.finish(cpu, {out.data(), 12, 50}, call, workspace);
    EXPECT_EQ(first_difference(out, run(cpu, linear, layer.activations(), workspace)), "")
        << describe(precision);
  }
}

TEST(Linear, TwoRanksThatSplitTheInputsSumToTheWholeLayer) {
  // As tensor parallelism does: maxima and int32 sums reduced between the phases. Weights are
  // chosen so that both halves of a column have the same largest magnitude, as a shared scale.
  TestLayer whole(40, 128, 5);
  for (int64_t n = 0; n < 40; ++n) {
    whole.w[static_cast<size_t>(n * 128)] = 0.5f;
    whole.w[static_cast<size_t>(n * 128 + 64)] = -0.5f;
  }
  device::Cpu cpu(1);
  const Precision precision{.outliers = OutlierMode::token};
  const LinearCall call{.activation_bits = 16};
  const std::vector<float> bias = {};
  Workspace workspaces[2];
  Linear ranks[2];
  for (int64_t rank = 0; rank < 2; ++rank) {
    WeightSource half = whole.source();
    half.inputs = 64;
    half.read_rows = [&whole, rank](int64_t first, int64_t rows, float* out) {
      for (int64_t r = 0; r < rows; ++r) {
        std::copy_n(whole.w.data() + (first + r) * 128 + rank * 64, 64, out + r * 64);
      }
    };
    ranks[rank] = Linear::pack(cpu, half, bias, precision, "half");
    ranks[rank].row_maxima(cpu, whole.activations().slice_columns(rank * 64, 64), call,
                           workspaces[rank]);
  }
  for (int64_t r = 0; r < 5; ++r) {
    const float both = std::max(workspaces[0].row_max[r], workspaces[1].row_max[r]);
    workspaces[0].row_max[r] = workspaces[1].row_max[r] = both;
  }
  for (int64_t rank = 0; rank < 2; ++rank) {
    ranks[rank].multiply(cpu, whole.activations().slice_columns(rank * 64, 64), call,
                         workspaces[rank]);
  }
  for (int64_t i = 0; i < 5 * 2 * 48; ++i) workspaces[0].sums[i] += workspaces[1].sums[i];
  std::vector<float> out(5 * 40);
  ranks[0].finish(cpu, {out.data(), 5, 40}, call, workspaces[0]);
  whole.bias.clear();
  EXPECT_EQ(first_difference(out, oracle(whole, precision, whole.activations())), "");
}

TEST(Linear, MakesEachRowOnceBeforeItIsRead) {
  device::Cpu cpu(3);
  Workspace workspace;
  const TestLayer layer(20, 80, 40);
  std::vector<Precision> precisions = precisions_of_independent_rows();
  for (const Precision& precision : int8_precisions()) precisions.push_back(precision);
  for (const Precision& precision : precisions) {
    const Linear linear = layer.pack(cpu, precision);
    const std::vector<int64_t> calls = {0, 3, 17};
    const LinearCall call = {.activation_bits = precision.activation_bits, .calls = calls};
    std::vector<float> there(40 * 20);
    linear.forward(cpu, layer.activations(), {there.data(), 40, 20}, call, workspace);

    std::vector<float> x(40 * 80, std::numeric_limits<float>::quiet_NaN());
    std::vector<std::atomic<int>> times(40);
    const auto copy_row = [&](int64_t r) {
      ++times[static_cast<size_t>(r)];
      std::copy_n(&layer.x[static_cast<size_t>(r * 80)], 80, &x[static_cast<size_t>(r * 80)]);
    };
    const device::FunctionRef<void(int64_t)> make_row = copy_row;
    LinearCall making = call;
    making.make_row = &make_row;
    std::vector<float> made(40 * 20);
    EXPECT_EQ(linear.forward(cpu, {x.data(), 40, 80}, {made.data(), 40, 20}, making, workspace), -1)
        << describe(precision);
    EXPECT_EQ(first_difference(made, there), "") << describe(precision);
    for (const auto& count : times) EXPECT_EQ(count, 1) << describe(precision);
  }
}

TEST(Linear, ReportsTheFirstRowThatIsNotFiniteAndLeavesTheOthersAlone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  device::Cpu cpu(2);
  Workspace workspace;
  std::vector<Precision> precisions = precisions_of_independent_rows();
  for (const Precision& precision : precisions) {
    for (float bad : {nan, infinity, -infinity}) {
      for (int64_t column : {int64_t{7}, int64_t{40}}) {  // 40 is a kept column
        TestLayer layer(20, 80, 8);
        const Linear linear = layer.pack(cpu, precision);
        const std::vector<float> good = run(cpu, linear, layer.activations(), workspace);
        layer.x[static_cast<size_t>(5 * 80 + column)] = bad;
        layer.x[static_cast<size_t>(6 * 80 + column)] = bad;
        std::vector<float> out(8 * 20);
        EXPECT_EQ(linear.forward(cpu, layer.activations(), {out.data(), 8, 20},
                                 {.activation_bits = precision.activation_bits}, workspace),
                  5)
            << describe(precision);
        for (const size_t r : {0, 1, 2, 3, 4, 7}) {
          EXPECT_EQ(first_difference(std::span(out).subspan(r * 20, 20),
                                     std::span(good).subspan(r * 20, 20)),
                    "")
              << describe(precision);
        }
      }
    }
  }
}

TEST(Linear, NonFiniteRowsAreReportedByMethodsThatDependOnTheCall) {
  device::Cpu cpu(2);
  Workspace workspace;
  for (const Precision& precision : int8_precisions()) {
    if (!depends_on_call(precision.method, precision.outliers)) continue;
    TestLayer layer(20, 80, 8);
    const Linear linear = layer.pack(cpu, precision);
    layer.x[4 * 80 + 11] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> out(8 * 20);
    const std::vector<int64_t> calls = {0, 2};
    EXPECT_EQ(
        linear.forward(cpu, layer.activations(), {out.data(), 8, 20},
                       {.activation_bits = precision.activation_bits, .calls = calls}, workspace),
        4)
        << describe(precision);
  }
}

TEST(Linear, ZeroRowsAndZeroWeightsGiveTheBias) {
  TestLayer layer(18, 40, 3);
  std::fill(layer.w.begin() + 40, layer.w.begin() + 80, 0.0f);  // output 1
  std::fill(layer.x.begin() + 40, layer.x.begin() + 80, 0.0f);  // row 1
  device::Cpu cpu(1);
  Workspace workspace;
  for (Method method : all_methods()) {
    const Linear linear = layer.pack(cpu, {.method = method, .activation_bits = 8});
    const std::vector<float> y = run(cpu, linear, layer.activations(), workspace);
    for (size_t n = 0; n < 18; ++n) EXPECT_EQ(y[18 + n], layer.bias[n]) << name(method);
    for (size_t r = 0; r < 3; ++r) EXPECT_EQ(y[r * 18 + 1], layer.bias[1]) << name(method);
  }
  EXPECT_EQ(
      layer.pack(cpu, {}).forward(cpu, {layer.x.data(), 0, 40}, {nullptr, 0, 18}, {}, workspace),
      -1);
}

}  // namespace
}  // namespace octet::linear

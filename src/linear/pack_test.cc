// Packing: rounding to 16 bits, errors that name the layer, stored parts, rows read back.
#include "linear/pack.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/half.h"
#include "linear/test_layer.h"
#include "octet/error.h"

namespace octet::linear {
namespace {

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Pack, ErrorsNameTheLayer) {
  device::Cpu cpu(2);
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    for (Method method : all_methods()) {
      TestLayer layer(20, 30, 1);
      layer.w[17 * 30 + 4] = bad;
      const std::string message = error_of([&] {
        Linear::pack(cpu, layer.source(), layer.bias, {.method = method}, "layers.3.mlp.up");
      });
      EXPECT_NE(message.find("layers.3.mlp.up: row 17"), std::string::npos) << message;
    }
  }
  TestLayer layer(20, 30, 1);
  layer.bias[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(
      error_of([&] { Linear::pack(cpu, layer.source(), layer.bias, {}, "x.bias"); }).find("x.bias"),
      std::string::npos);
}

TEST(Pack, WeightsBeyondF16AreAnErrorForFp16AndKeptAsBf16Otherwise) {
  device::Cpu cpu(2);
  TestLayer layer(20, 64, 3);
  layer.w[5 * 64 + 2] = 0x1p17f;
  EXPECT_NE(error_of([&] {
              Linear::pack(cpu, layer.source(), {}, {.method = Method::fp16}, "big");
            }).find("big: a weight is beyond 65504"),
            std::string::npos);
  EXPECT_EQ(layer.pack(cpu, {}).parts().sixteen_bit, ops::SixteenBit::bf16);
  const Precision batch{.outliers = OutlierMode::batch};
  EXPECT_EQ(layer.pack(cpu, batch).parts().sixteen_bit, ops::SixteenBit::bf16);
}

TEST(Pack, MoreInputsThanAnExactSumAllowsAreAnError) {
  device::Cpu cpu(1);
  const WeightSource source{
      .outputs = 1, .inputs = ops::kInt8MaxK + 1, .read_rows = [](int64_t, int64_t, float*) {}};
  EXPECT_NE(
      error_of([&] { Linear::pack(cpu, source, {}, {}, "wide"); }).find("wide: 133121 inputs"),
      std::string::npos);
}

TEST(Pack, ErrorsOfTheSourceReachTheCaller) {
  device::Cpu cpu(3);
  WeightSource source{.outputs = 100, .inputs = 10, .read_rows = [](int64_t, int64_t, float*) {
                        throw Error("model.safetensors: truncated");
                      }};
  EXPECT_EQ(error_of([&] { Linear::pack(cpu, source, {}, {}, "x"); }),
            "model.safetensors: truncated");
}

TEST(Pack, TensorWiseMethodsScaleEachOfTheStackedMatricesByItself) {
  // The boundary, after 21 rows, lies inside a panel.
  device::Cpu cpu(2);
  constexpr int64_t kInputs = 40;
  TestLayer first(21, kInputs, 1);
  TestLayer second(30, kInputs, 1, quant::SixteenBit::f16, /*seed=*/2);
  for (float& weight : second.w) weight *= 8;
  TestLayer both(51, kInputs, 1);
  std::copy(first.w.begin(), first.w.end(), both.w.begin());
  std::copy(second.w.begin(), second.w.end(), both.w.begin() + 21 * kInputs);
  WeightSource stacked = both.source();
  stacked.part_rows = {21, 30};
  for (const Method method : {Method::absmax, Method::zeropoint, Method::absmax_rowwise}) {
    const Precision precision{.method = method, .activation_bits = 8};
    const Linear whole = Linear::pack(cpu, stacked, {}, precision, "both");
    const Linear parts[] = {Linear::pack(cpu, first.source(), {}, precision, "first"),
                            Linear::pack(cpu, second.source(), {}, precision, "second")};
    for (int64_t row = 0; row < 51; ++row) {
      const Linear& part = parts[row < 21 ? 0 : 1];
      EXPECT_EQ(whole.parts().column_scales[row],
                part.parts().column_scales[row < 21 ? row : row - 21])
          << name(method) << ", row " << row;
    }
    EXPECT_NE(whole.parts().column_scales[20], whole.parts().column_scales[21]);
  }
}

TEST(Pack, StoredPartsMakeTheSameLayer) {
  const TestLayer layer(37, 100, 6);
  device::Cpu cpu(2);
  Workspace workspace;
  for (Method method : all_methods()) {
    for (OutlierMode outliers : {OutlierMode::kept, OutlierMode::batch, OutlierMode::token}) {
      const Precision precision{.method = method, .outliers = outliers};
      const Linear linear = layer.pack(cpu, precision);
      const Linear again = Linear::from_parts(cpu, linear.parts(), precision);
      EXPECT_EQ(first_difference(run(cpu, linear, layer.activations(), workspace),
                                 run(cpu, again, layer.activations(), workspace)),
                "");
      EXPECT_EQ(linear.bytes(), again.bytes());
    }
  }
}

TEST(Pack, StoredKeptColumnsAreDroppedWhereTheyAreNotUsed) {
  const TestLayer layer(37, 100, 6);
  device::Cpu cpu(2);
  Workspace workspace;
  const Linear kept = layer.pack(cpu, {});
  const Precision token{.outliers = OutlierMode::token};
  const Linear linear = Linear::from_parts(cpu, kept.parts(), token);
  EXPECT_EQ(first_difference(run(cpu, linear, layer.activations(), workspace),
                             oracle(layer, token, layer.activations())),
            "");
  const Linear zeropoint = layer.pack(cpu, {.method = Method::llm_int8_zeropoint});
  EXPECT_NE(error_of([&] {
              Linear::from_parts(
                  cpu, zeropoint.parts(),
                  {.method = Method::llm_int8_zeropoint, .outliers = OutlierMode::batch});
            }).find("--outliers kept or token"),
            std::string::npos);
}

TEST(Pack, DamagedPartsAreAnError) {
  const TestLayer layer(37, 100, 6);
  device::Cpu cpu(1);
  const Linear linear = layer.pack(cpu, {});
  const auto damaged = [&](const std::function<void(LinearParts&)>& damage) {
    LinearParts parts = linear.parts();
    damage(parts);
    return !error_of([&] { Linear::from_parts(cpu, parts, {}); }).empty();
  };
  const auto columns = [](std::vector<int32_t> values) {
    tensor::Array<int32_t> array(std::ssize(values));
    std::copy(values.begin(), values.end(), array.begin());
    return tensor::Shared<int32_t>(std::move(array));
  };
  EXPECT_FALSE(damaged([](LinearParts&) {}));
  EXPECT_TRUE(damaged([](LinearParts& parts) { parts.inputs = 200; }));
  EXPECT_TRUE(damaged([](LinearParts& parts) { parts.outputs = 49; }));
  EXPECT_TRUE(damaged([](LinearParts& parts) { parts.outputs = -1; }));
  EXPECT_TRUE(damaged([](LinearParts& parts) { parts.column_sums = {}; }));
  EXPECT_TRUE(damaged([](LinearParts& parts) { parts.kept_panels = {}; }));
  EXPECT_TRUE(damaged([&](LinearParts& parts) { parts.kept_columns = columns({2, 40, 100}); }));
  EXPECT_TRUE(damaged([&](LinearParts& parts) { parts.kept_columns = columns({-1, 40, 99}); }));
  EXPECT_TRUE(damaged([&](LinearParts& parts) { parts.kept_columns = columns({40, 2, 99}); }));
  EXPECT_TRUE(damaged([](LinearParts& parts) {
    tensor::Array<float> scales(48);
    scales[3] = std::numeric_limits<float>::quiet_NaN();
    parts.column_scales = tensor::Shared<float>(std::move(scales));
  }));
}

TEST(Pack, RowsAreReadBackAsTheyWereRounded) {
  device::Cpu cpu(2);
  const TestLayer layer(37, 101, 1);
  std::vector<float> row(101);
  for (Method method : {Method::fp32, Method::fp16, Method::bf16}) {
    const Linear linear = layer.pack(cpu, {.method = method});
    for (int64_t n = 0; n < 37; ++n) {
      linear.read_row(n, row.data());
      for (size_t k = 0; k < 101; ++k) {
        const float w = layer.w[static_cast<size_t>(n) * 101 + k];
        const float expected = method == Method::bf16 ? bf16_to_float(float_to_bf16(w)) : w;
        EXPECT_EQ(row[k], expected);
      }
    }
  }
}

/// The weights of `layer` as a checkpoint would store them in `type`, rows apart from each other.
struct StoredLayer {
  StoredLayer(const TestLayer& layer, tensor::DType stored_type)
      : outputs(layer.outputs), inputs(layer.inputs), stored(layer.stored), type(stored_type) {
    for (int64_t n = 0; n < outputs; ++n) {
      std::vector<std::byte>& row = rows.emplace_back();
      for (int64_t k = 0; k < inputs; ++k) {
        const float w = layer.w[static_cast<size_t>(n * inputs + k)];
        const uint16_t bits = type == tensor::DType::f16 ? float_to_f16(w) : float_to_bf16(w);
        const auto* from = type == tensor::DType::f32 ? reinterpret_cast<const std::byte*>(&w)
                                                      : reinterpret_cast<const std::byte*>(&bits);
        row.insert(row.end(), from, from + tensor::info(type).block_bytes);
      }
    }
  }
  WeightSource source() const {
    WeightSource source{.outputs = outputs,
                        .inputs = inputs,
                        .sixteen_bit = stored == quant::SixteenBit::f16 ? ops::SixteenBit::f16
                                                                        : ops::SixteenBit::bf16};
    source.stored_type = type;
    source.stored_row = [this](int64_t n) { return rows[static_cast<size_t>(n)].data(); };
    return source;
  }

  int64_t outputs;
  int64_t inputs;
  quant::SixteenBit stored;
  tensor::DType type;
  std::vector<std::vector<std::byte>> rows;
};

TEST(Pack, WeightsTakenFromWhereTheyAreStoredMakeTheSameLayer) {
  Workspace workspace;
  for (device::Isa isa : isas_of(device::cpu_features())) {
    device::Cpu cpu(2, isa);
    for (tensor::DType type : {tensor::DType::f32, tensor::DType::f16, tensor::DType::bf16}) {
      const TestLayer layer(
          37, 101, 6,
          type == tensor::DType::bf16 ? quant::SixteenBit::bf16 : quant::SixteenBit::f16);
      const StoredLayer stored(layer, type);
      for (Method method : all_methods()) {
        for (OutlierMode outliers : {OutlierMode::kept, OutlierMode::batch}) {
          const Precision precision{.method = method, .outliers = outliers};
          Linear linear = Linear::pack(cpu, stored.source(), layer.bias, precision, "stored");
          if (keeps_columns(precision)) linear.keep_columns(cpu, stored.source(), layer.kept);
          EXPECT_EQ(first_difference(
                        run(cpu, linear, layer.activations(), workspace),
                        run(cpu, layer.pack(cpu, precision), layer.activations(), workspace)),
                    "")
              << device::name(isa) << ", " << tensor::name(type) << ", " << name(method);
        }
      }
    }
  }
}

TEST(Pack, StoredWeightsThatAreNotFiniteAreAnErrorThatNamesTheRow) {
  device::Cpu cpu(2);
  TestLayer layer(20, 30, 1);
  layer.w[17 * 30 + 29] = std::numeric_limits<float>::infinity();
  for (tensor::DType type : {tensor::DType::f32, tensor::DType::f16, tensor::DType::bf16}) {
    const StoredLayer stored(layer, type);
    for (Method method : all_methods()) {
      const std::string message = error_of(
          [&] { Linear::pack(cpu, stored.source(), {}, {.method = method}, "layers.3.mlp.up"); });
      EXPECT_NE(message.find("layers.3.mlp.up: row 17"), std::string::npos) << message;
    }
  }
}

TEST(Pack, OneByteAWeight) {
  device::Cpu cpu(1);
  const TestLayer layer(64, 640, 1);
  const Linear linear =
      Linear::pack(cpu, layer.source(), layer.bias, {.outliers = OutlierMode::token}, "layer");
  // Codes; per output a sum, a scale, a factor and a bias.
  EXPECT_EQ(linear.bytes(), 64 * 640 + 64 * 16);
}

}  // namespace
}  // namespace octet::linear

// Random layers and activations for the tests of the linear layer, and their oracle.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "linear/linear.h"
#include "quant/layer.h"

namespace octet::linear {

/// The levels of a machine with `features`.
inline std::vector<device::Isa> isas_of(const device::CpuFeatures& features) {
  std::vector<device::Isa> isas;
  for (device::Isa isa : device::kIsas) {
    if (features.has(isa)) isas.push_back(isa);
  }
  return isas;
}

/// Weights, bias and activations. Columns 2, 40 and the last of x hold outliers in most rows; one
/// element in a hundred elsewhere exceeds 6 as well.
struct TestLayer {
  int64_t outputs;
  int64_t inputs;
  int64_t rows;
  quant::SixteenBit stored;
  std::vector<float> w;
  std::vector<float> bias;
  std::vector<float> x;
  std::vector<int32_t> kept;

  TestLayer(int64_t outputs_, int64_t inputs_, int64_t rows_,
            quant::SixteenBit stored_ = quant::SixteenBit::f16, uint32_t seed = 1)
      : outputs(outputs_), inputs(inputs_), rows(rows_), stored(stored_) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 1);
    std::uniform_int_distribution<int> percent(0, 99);
    for (int64_t i = 0; i < outputs * inputs; ++i) {
      w.push_back(quant::round_to_sixteen_bit(normal(random) * 0.05f, stored));
    }
    for (int64_t n = 0; n < outputs; ++n) bias.push_back(normal(random));
    for (int32_t column : {2, 40, static_cast<int32_t>(inputs) - 1}) {
      if (column < inputs && (kept.empty() || kept.back() < column)) kept.push_back(column);
    }
    for (int64_t i = 0; i < rows * inputs; ++i) {
      const auto column = static_cast<int32_t>(i % inputs);
      const bool outlier = std::find(kept.begin(), kept.end(), column) != kept.end();
      x.push_back(normal(random) * (outlier ? 30.0f : percent(random) == 0 ? 9.0f : 1.0f));
    }
  }

  WeightSource source() const {
    return {.outputs = outputs,
            .inputs = inputs,
            .sixteen_bit =
                stored == quant::SixteenBit::f16 ? ops::SixteenBit::f16 : ops::SixteenBit::bf16,
            .read_rows = [this](int64_t first, int64_t count, float* out) {
              std::memcpy(out, w.data() + first * inputs,
                          static_cast<size_t>(count * inputs) * sizeof(float));
            }};
  }
  tensor::MatrixView<const float> activations() const { return {x.data(), rows, inputs}; }

  /// Packed, with the outlier columns kept where the precision keeps any.
  Linear pack(device::Cpu& cpu, const Precision& precision) const {
    Linear linear = Linear::pack(cpu, source(), bias, precision, "test");
    if (keeps_columns(precision)) linear.keep_columns(cpu, source(), kept);
    return linear;
  }
};

inline quant::Arithmetic arithmetic_of(const Precision& precision) {
  quant::Arithmetic arithmetic;
  for (const quant::TableRow& row : quant::kTable1) {
    if (row.name == name(precision.method)) arithmetic = row.arithmetic;
  }
  arithmetic.alpha = precision.threshold;
  if (arithmetic.outliers != quant::Outliers::none) {
    arithmetic.outliers = precision.outliers == OutlierMode::batch  ? quant::Outliers::columns
                          : precision.outliers == OutlierMode::kept ? quant::Outliers::kept
                                                                    : quant::Outliers::token;
  }
  if (precision.method == Method::llm_int8 && precision.activation_bits == 16) {
    arithmetic.planes = 2;
  }
  return arithmetic;
}

/// What the layer must give for `x`, all rows one call, by src/quant.
inline std::vector<float> oracle(const TestLayer& layer, const Precision& precision,
                                 tensor::MatrixView<const float> x) {
  const device::FlushDenormals flush;
  const tensor::MatrixView<const float> w(layer.w.data(), layer.outputs, layer.inputs);
  return quant::linear_layer(
      arithmetic_of(precision),
      {.w = w, .bias = layer.bias, .sixteen_bit = layer.stored, .kept_columns = layer.kept}, x);
}

inline std::vector<float> run(device::Cpu& cpu, const Linear& linear,
                              tensor::MatrixView<const float> x, Workspace& workspace) {
  std::vector<float> out(static_cast<size_t>(x.rows * linear.outputs()));
  const int64_t bad =
      linear.forward(cpu, x, {out.data(), x.rows, linear.outputs()},
                     {.activation_bits = linear.precision().activation_bits}, workspace);
  OCTET_CHECK(bad == -1);
  return out;
}

/// Equality of bits; a message that names the first difference.
inline std::string first_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return "sizes differ";
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) {
      return fmt::format("element {}: {:a} and {:a}", i, a[i], b[i]);
    }
  }
  return "";
}

}  // namespace octet::linear

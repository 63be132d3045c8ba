// The sizes told from a layer's shape are those of packed layers and of the workspaces they leave.
#include "linear/size.h"

#include <gtest/gtest.h>

#include <array>

#include "linear/outliers.h"
#include "linear/test_layer.h"

namespace octet::linear {
namespace {

std::vector<Precision> precisions() {
  std::vector<Precision> all;
  for (Method method : all_methods()) {
    for (OutlierMode outliers : {OutlierMode::kept, OutlierMode::batch, OutlierMode::token}) {
      for (int bits : {8, 16}) {
        if (bits == 16 && method != Method::llm_int8) continue;
        for (int planes : {1, 2}) {
          all.push_back({.method = method,
                         .outliers = outliers,
                         .activation_bits = bits,
                         .sixteen_bit_planes = planes});
        }
      }
    }
  }
  all.push_back({.threshold = 0});
  return all;
}

std::string describe(const Precision& precision) {
  return fmt::format("{} outliers={} bits={} planes={} threshold={}", name(precision.method),
                     name(precision.outliers), precision.activation_bits,
                     precision.sixteen_bit_planes, precision.threshold);
}

TEST(PackedBytes, AreThoseOfThePackedLayer) {
  device::Cpu cpu(1);
  for (const auto& [outputs, inputs] : {std::array<int64_t, 2>{37, 200}, {16, 64}, {1, 1}}) {
    const TestLayer layer(outputs, inputs, 1);
    for (const Precision& precision : precisions()) {
      LayerShape shape{.outputs = outputs,
                       .inputs = inputs,
                       .bias = true,
                       .sixteen_bit_columns = std::ssize(layer.kept)};
      EXPECT_EQ(packed_bytes(shape, precision).total(), layer.pack(cpu, precision).bytes())
          << describe(precision) << " " << outputs << " × " << inputs;
      const Linear plain = Linear::pack(cpu, layer.source(), {}, precision, "test");
      shape.bias = false;
      shape.sixteen_bit_columns = 0;
      EXPECT_EQ(packed_bytes(shape, precision).total(), plain.bytes()) << describe(precision);
    }
  }
}

/// Arrays grow to half as much again as they need.
int64_t needed(size_t allocated) {
  return static_cast<int64_t>(allocated) * 2 / 3;
}

TEST(CallBytes, AreWhatTheWorkspaceGrewTo) {
  device::Cpu cpu(1);
  constexpr int64_t kRows = 30;
  const TestLayer layer(48, 200, kRows);
  for (const Precision& precision : precisions()) {
    const Linear linear = layer.pack(cpu, precision);
    Workspace workspace;
    run(cpu, linear, layer.activations(), workspace);
    const int64_t columns = finds_outlier_columns(precision) ? std::ssize(workspace.outlier_columns)
                                                             : std::ssize(layer.kept);
    const CallBytes bytes =
        call_bytes({.outputs = 48, .inputs = 200, .bias = true, .sixteen_bit_columns = columns},
                   precision, kRows);
    EXPECT_EQ(bytes.planes, needed(workspace.planes.bytes())) << describe(precision);
    EXPECT_EQ(bytes.outlier_panels,
              needed(workspace.outlier_panels.bytes()) + needed(workspace.column_mask.bytes()))
        << describe(precision);
    // Not every row has an extra one.
    EXPECT_GE(bytes.codes, needed(workspace.codes.bytes())) << describe(precision);
    EXPECT_LE(bytes.codes, 2 * needed(workspace.codes.bytes())) << describe(precision);
    if (precision.activation_bits == 16) {
      EXPECT_EQ(bytes.codes, needed(workspace.codes.bytes()));
    }
  }
}

}  // namespace
}  // namespace octet::linear

// Layers packed from stored int8 codes compute what layers quantised to the same codes do.
#include "linear/stored_codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "linear/test_layer.h"
#include "quant/decomposition.h"

namespace octet::linear {
namespace {

constexpr int64_t kOutputs = 37;
constexpr int64_t kInputs = 100;

/// Random codes, each row with a 127, and scales 127·2^n: then a weight is code·2^n exactly, in
/// bf16 too, so a layer packed from these weights must hold and compute the same bits.
struct StoredLayer {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  TestLayer layer;

  /// Activations are f16 values, so that rounding them to f16 changes nothing.
  StoredLayer() : layer(kOutputs, kInputs, 6, quant::SixteenBit::bf16) {
    for (float& value : layer.x) value = f16_to_float(float_to_f16(value));
    std::mt19937 random(8);
    for (int64_t n = 0; n < kOutputs; ++n) {
      const float unit = std::ldexp(1.0f, static_cast<int>(random() % 8) - 12);
      scales.push_back(127 * unit);
      for (int64_t k = 0; k < kInputs; ++k) {
        codes.push_back(static_cast<int8_t>(k == n ? 127 : static_cast<int>(random() % 255) - 127));
        layer.w[static_cast<size_t>(n * kInputs + k)] = static_cast<float>(codes.back()) * unit;
      }
    }
  }

  CodeSource source() const {
    CodeSource source{.outputs = kOutputs, .inputs = kInputs};
    source.scales = tensor::Array<float>(kOutputs);
    std::copy(scales.begin(), scales.end(), source.scales.begin());
    source.read_rows = [this](int64_t first, int64_t count, int8_t* out) {
      std::copy_n(codes.data() + first * kInputs, count * kInputs, out);
    };
    return source;
  }
};

TEST(StoredCodes, ComputeTheSameBitsAsTheWeightsTheyStandFor) {
  const StoredLayer stored;
  Workspace workspace;
  for (device::Isa isa : isas_of(device::cpu_features())) {
    device::Cpu cpu(2, isa);
    for (Method method : {Method::llm_int8, Method::absmax_vectorwise}) {
      for (OutlierMode outliers : {OutlierMode::batch, OutlierMode::token}) {
        for (int bits : {8, 16}) {
          if (bits == 16 && method != Method::llm_int8) continue;
          const Precision precision{
              .method = method, .outliers = outliers, .activation_bits = bits};
          const Linear linear =
              Linear::pack_codes(cpu, stored.source(), stored.layer.bias, precision, "test");
          const Linear quantised = stored.layer.pack(cpu, precision);
          EXPECT_TRUE(std::equal(linear.parts().codes.begin(), linear.parts().codes.end(),
                                 quantised.parts().codes.begin()));
          EXPECT_EQ(first_difference(run(cpu, linear, stored.layer.activations(), workspace),
                                     run(cpu, quantised, stored.layer.activations(), workspace)),
                    "")
              << name(method) << " " << name(outliers) << " " << bits << " " << device::name(isa);
        }
      }
    }
  }
}

TEST(StoredCodes, EightBitBatchRoundsActivationsToF16ButForOutlierColumns) {
  const StoredLayer stored;
  Workspace workspace;
  device::Cpu cpu(2);
  const Precision precision{.outliers = OutlierMode::batch, .activation_bits = 8};
  const Linear linear =
      Linear::pack_codes(cpu, stored.source(), stored.layer.bias, precision, "test");
  std::vector<float> x = stored.layer.x;
  for (size_t i = 0; i < x.size(); ++i) x[i] += std::ldexp(x[i], -14);  // between two f16
  std::vector<float> rounded = x;
  const tensor::MatrixView<const float> view(x.data(), stored.layer.rows, kInputs);
  const std::vector<int32_t> outliers = quant::outlier_columns(view, precision.threshold);
  ASSERT_FALSE(outliers.empty());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto column = static_cast<int32_t>(i % kInputs);
    if (!std::binary_search(outliers.begin(), outliers.end(), column)) {
      rounded[i] = f16_to_float(float_to_f16(x[i]));
    }
  }
  const Linear quantised = stored.layer.pack(cpu, precision);  // rounds nothing
  EXPECT_EQ(first_difference(
                run(cpu, linear, view, workspace),
                run(cpu, quantised, {rounded.data(), stored.layer.rows, kInputs}, workspace)),
            "");
}

TEST(StoredCodes, DamagedOnesAreAnError) {
  device::Cpu cpu(1);
  const auto message = [&cpu](const StoredLayer& stored) -> std::string {
    try {
      Linear::pack_codes(cpu, stored.source(), stored.layer.bias, {.outliers = OutlierMode::token},
                         "the layer");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  StoredLayer stored;
  EXPECT_EQ(message(stored), "");
  stored.codes[205] = -128;
  EXPECT_NE(message(stored).find("the layer: a code is -128"), std::string::npos);
  stored = StoredLayer();
  for (float scale :
       {-1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    stored.scales[3] = scale;
    EXPECT_NE(message(stored).find("the layer: the scale of row 3"), std::string::npos);
  }
}

}  // namespace
}  // namespace octet::linear

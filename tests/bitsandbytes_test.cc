// bitsandbytes' int8 checkpoints: read without quantising again, as accurate as bitsandbytes, and
// written with the values that bitsandbytes writes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/decode.h"
#include "checkpoint/safetensors.h"
#include "support/scoring.h"
#include "support/shared_data.h"
#include "support/temporary_directory.h"

namespace octet {
namespace {

using linear::Method;
using linear::OutlierMode;
using nlohmann::json;
using tensor::DType;
using test::Logits;

json reference_of(const std::string& name) {
  return json::parse(read_file(test::shared_path("models/" + name + "/reference.json")));
}

model::LoadOptions with_outliers(OutlierMode outliers, int activation_bits = 8) {
  model::LoadOptions options = test::with_method(Method::llm_int8, activation_bits, outliers);
  options.asked.outliers = true;
  return options;
}

class Bitsandbytes : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    OCTET_REQUIRE_PATH(quantised());
    try {
      model::describe(original());
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
  std::filesystem::path original() const { return test::shared_path("models/" + GetParam()); }
  std::filesystem::path quantised() const {
    return test::shared_path("models/" + GetParam() + "-bnb8");
  }

  device::Cpu cpu_{2};
};

INSTANTIATE_TEST_SUITE_P(Models, Bitsandbytes,
                         testing::Values("tiny-llama", "tiny-opt", "tiny-gpt2", "tiny-bloom"),
                         [](const auto& tested) { return tested.param.substr(5); });

TEST_P(Bitsandbytes, StoredCodesAndScalesAreUsedAsTheyAre) {
  const auto checkpoint = checkpoint::Checkpoint::open(quantised());
  const model::Loaded loaded = model::load(cpu_, quantised(), {});
  EXPECT_EQ(loaded.model.precision().outliers, OutlierMode::token);
  EXPECT_TRUE(loaded.kept.empty());
  const model::Architecture& a = loaded.model.architecture();
  for (size_t i = 0; i < a.layer_names.size(); ++i) {
    // The down projection: one matrix, whose rows no family reorders.
    const std::string name = a.layer_names[i].down.parts.at(0).weight;
    const std::string base = name.substr(0, name.size() - std::strlen("weight"));
    const tensor::View& codes = checkpoint->at(name);
    const tensor::View& scales = checkpoint->at(base + "SCB");
    const linear::LinearParts& parts = loaded.model.weights().layers[i].down.parts();
    ASSERT_EQ(codes.shape, (tensor::Shape{parts.outputs, parts.inputs}));
    std::vector<float> stored(static_cast<size_t>(parts.outputs));
    checkpoint::decode_rows(scales, 0, 1, stored.data());
    const int64_t k64 = ops::padded(parts.inputs, ops::kInt8KStep);
    int64_t different = 0;
    for (int64_t n = 0; n < parts.outputs; ++n) {
      EXPECT_EQ(parts.column_scales[n], stored[static_cast<size_t>(n)]);
      for (int64_t k = 0; k < parts.inputs; ++k) {
        const int8_t packed = parts.codes[n / 16 * 16 * k64 + k / 4 * 64 + n % 16 * 4 + k % 4];
        const auto code =
            static_cast<int8_t>(codes.bytes[static_cast<size_t>(n * parts.inputs + k)]);
        different += packed != code;
      }
    }
    EXPECT_EQ(different, 0) << name;
  }
}

/// Sums over the reference's positions.
struct Distances {
  double ours = 0;     ///< octet from float
  double theirs = 0;   ///< bitsandbytes from float
  double between = 0;  ///< octet from bitsandbytes
};

TEST_P(Bitsandbytes, EightBitActivationsAndBatchOutliersAreAsAccurateAsBitsandbytes) {
  const json bitsandbytes = reference_of(GetParam() + "-bnb8");
  const json exact = reference_of(GetParam());
  ASSERT_EQ(bitsandbytes["input_ids"], exact["input_ids"]);
  ASSERT_EQ(bitsandbytes["positions"], exact["positions"]);
  model::Loaded loaded = model::load(cpu_, quantised(), with_outliers(OutlierMode::batch));
  const auto ids = exact["input_ids"].get<std::vector<int32_t>>();
  const Logits logits = test::all_logits(loaded.model, cpu_, ids, 8);
  Distances squares;
  const auto positions = exact["positions"].get<std::vector<size_t>>();
  for (size_t i = 0; i < positions.size(); ++i) {
    for (size_t j = 0; j < exact["logits"][i].size(); ++j) {
      const double ours = logits[positions[i]][j];
      const auto theirs = bitsandbytes["logits"][i][j].get<double>();
      const auto truth = exact["logits"][i][j].get<double>();
      squares.ours += (ours - truth) * (ours - truth);
      squares.theirs += (theirs - truth) * (theirs - truth);
      squares.between += (ours - theirs) * (ours - theirs);
    }
  }
  // The project's bounds on roots of means, 1.15 and 1.1; both roundings of activations, f16 there
  // and float32 here, flip codes at random, so the distances cannot be equal.
  EXPECT_LE(squares.ours, 1.15 * 1.15 * squares.theirs);
  EXPECT_LE(squares.between, 1.1 * 1.1 * squares.theirs);
  RecordProperty("ours", std::to_string(std::sqrt(squares.ours / squares.theirs)));
  RecordProperty("between", std::to_string(std::sqrt(squares.between / squares.theirs)));
  EXPECT_NEAR(test::mean_nll(logits, ids), exact["mean_nll"].get<double>(), 0.05);
}

TEST_P(Bitsandbytes, TokenOutliersWithSixteenBitActivationsAreMoreAccurate) {
  const json exact = reference_of(GetParam());
  const auto ids = exact["input_ids"].get<std::vector<int32_t>>();
  model::Loaded loaded = model::load(cpu_, quantised(), {});
  const Logits logits = test::all_logits(loaded.model, cpu_, ids);
  EXPECT_NEAR(test::mean_nll(logits, ids), exact["mean_nll"].get<double>(), 0.05);
  // The weights that the codes stand for, in float32, differ by the activations' 15 bits only.
  model::Loaded dequantised = model::load(cpu_, quantised(), test::with_method(Method::fp32));
  const Logits wide = test::all_logits(dequantised.model, cpu_, ids);
  EXPECT_NEAR(test::mean_nll(logits, ids), test::mean_nll(wide, ids), 0.002);
}

TEST_P(Bitsandbytes, WrittenFilesHoldTheSameTensorsAndLoadToTheSameLogits) {
  const test::TemporaryDirectory directory;
  const auto written = directory.path() / "int8";
  const model::SavedBytes saved = model::save_bitsandbytes(cpu_, original(), written, {});
  const auto ours = checkpoint::Checkpoint::open(written);
  const auto theirs = checkpoint::Checkpoint::open(quantised());
  EXPECT_EQ(ours->names(), theirs->names());
  EXPECT_EQ(saved.weights, ours->bytes());
  int64_t int8_tensors = 0;
  for (const std::string& name : theirs->names()) {
    const tensor::View& expected = theirs->at(name);
    const tensor::View& view = ours->at(name);
    EXPECT_EQ(view.shape, expected.shape) << name;
    if (tensor::is_floating(expected.dtype)) {
      // Ours stay in the 16 bits they were stored in, theirs are float32.
      std::vector<float> mine(static_cast<size_t>(view.elements()));
      std::vector<float> other(mine.size());
      checkpoint::decode_rows(view, 0, checkpoint::row_count(view), mine.data());
      checkpoint::decode_rows(expected, 0, checkpoint::row_count(expected), other.data());
      EXPECT_EQ(mine, other) << name;
    } else {
      EXPECT_EQ(view.dtype, expected.dtype) << name;
      EXPECT_TRUE(std::ranges::equal(view.bytes, expected.bytes)) << name;
      int8_tensors += expected.dtype == DType::i8;
    }
  }
  EXPECT_GT(int8_tensors, 0);
  const auto ids = reference_of(GetParam())["input_ids"].get<std::vector<int32_t>>();
  model::Loaded from_ours = model::load(cpu_, written, {});
  model::Loaded from_theirs = model::load(cpu_, quantised(), {});
  EXPECT_EQ(test::all_logits(from_ours.model, cpu_, ids),
            test::all_logits(from_theirs.model, cpu_, ids));
}

/// A copy of tiny-llama-bnb8 to be changed.
class DamagedBitsandbytes : public testing::Test {
 protected:
  void SetUp() override {
    const auto source = test::shared_path("models/tiny-llama-bnb8");
    OCTET_REQUIRE_PATH(source);
    std::filesystem::copy(source, path());
    std::filesystem::permissions(path() / "config.json", std::filesystem::perms::owner_all);
    source_ = checkpoint::Checkpoint::open(source);
    config_ = source_->config();
    for (const std::string& name : source_->names()) tensors_[name] = source_->at(name);
  }
  std::filesystem::path path() const { return directory_.path() / "model"; }
  std::string error(const model::LoadOptions& options = {}) {
    write();
    try {
      model::load(cpu_, path(), options);
    } catch (const Error& thrown) {
      return thrown.what();
    }
    return "";
  }
  void write() {
    write_file(path() / "config.json", config_.dump());
    std::vector<checkpoint::NamedTensor> tensors;
    for (const auto& [name, view] : tensors_) tensors.push_back({name, view});
    checkpoint::write_safetensors(path() / "model.safetensors", tensors);
  }
  static bool mentions(const std::string& message, std::string_view text) {
    return message.find(text) != std::string::npos;
  }

  test::TemporaryDirectory directory_;
  std::unique_ptr<checkpoint::Checkpoint> source_;
  json config_;
  std::map<std::string, tensor::View> tensors_;
  device::Cpu cpu_{2};
};

constexpr const char* kLayer = "model.layers.1.self_attn.k_proj";

TEST_F(DamagedBitsandbytes, WhatCannotBeHadIsAnErrorThatSaysWhatCan) {
  EXPECT_EQ(error(), "");
  EXPECT_TRUE(mentions(error(with_outliers(OutlierMode::kept)), "--outliers token or batch"));
  for (Method method : {Method::zeropoint, Method::absmax, Method::absmax_rowwise_decomp}) {
    EXPECT_TRUE(mentions(error(test::with_method(method)), "load the original checkpoint"));
  }
  for (Method method : {Method::absmax_vectorwise, Method::fp16, Method::bf16, Method::fp32}) {
    EXPECT_EQ(error(test::with_method(method)), "");
  }
}

TEST_F(DamagedBitsandbytes, OtherQuantisationsAreRefusedByName) {
  config_["quantization_config"]["load_in_4bit"] = true;
  EXPECT_TRUE(mentions(error(), "bitsandbytes, 4 bits"));
  config_["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
  EXPECT_TRUE(mentions(error(), "quantised (gptq)"));
  config_["quantization_config"] = "int8";
  EXPECT_TRUE(mentions(error(), "not an object"));
}

TEST_F(DamagedBitsandbytes, UnsoundTensorsAreErrorsThatNameThem) {
  const auto unsound = [this](const std::string& ending, auto change) {
    const std::string name = kLayer + ending;
    const auto kept = tensors_;
    change(tensors_[name]);
    if (tensors_[name].bytes.empty()) tensors_.erase(name);
    const std::string message = error();
    tensors_ = kept;
    return mentions(message, name) ? "" : name + ": " + message;
  };
  const std::byte one{1};
  EXPECT_EQ(unsound(".SCB", [](tensor::View& view) { view.bytes = {}; }), "");
  EXPECT_EQ(unsound(".SCB", [](tensor::View& view) { view.shape = {2, 16}; }), "");
  EXPECT_EQ(unsound(".SCB", [](tensor::View& view) { view.dtype = DType::i32; }), "");
  EXPECT_EQ(unsound(".weight", [](tensor::View& view) { view.shape = {64, 32}; }), "");
  EXPECT_EQ(unsound(".weight_format", [&](tensor::View& view) { view.bytes = {&one, 1}; }), "");
}

TEST_F(DamagedBitsandbytes, LayersThatWereSkippedStaySixteenBit) {
  // A k_proj in f16 beside int8 q_proj and v_proj: the three are one product, which stays wide.
  const std::string name = std::string(kLayer) + ".weight";
  const auto original = checkpoint::Checkpoint::open(test::shared_path("models/tiny-llama"));
  tensors_[name] = original->at(name);
  tensors_.erase(std::string(kLayer) + ".SCB");
  tensors_.erase(std::string(kLayer) + ".weight_format");
  write();
  const model::Loaded loaded = model::load(cpu_, path(), {});
  EXPECT_EQ(loaded.model.weights().layers[0].qkv.parts().method, Method::llm_int8);
  EXPECT_EQ(loaded.model.weights().layers[1].qkv.parts().method, Method::fp16);
  EXPECT_EQ(loaded.model.weights().layers[1].down.parts().method, Method::llm_int8);
}

TEST_F(DamagedBitsandbytes, TheThresholdIsTheCheckpointsUnlessAsked) {
  config_["quantization_config"]["llm_int8_threshold"] = 4.5;
  write();
  EXPECT_EQ(model::load(cpu_, path(), {}).model.precision().threshold, 4.5f);
  model::LoadOptions options;
  options.precision.threshold = 7;
  options.asked.threshold = true;
  EXPECT_EQ(model::load(cpu_, path(), options).model.precision().threshold, 7.0f);
}

TEST_F(DamagedBitsandbytes, OnlyOriginalsAreConverted) {
  const auto convert = [this](const std::filesystem::path& source) -> std::string {
    try {
      model::save_bitsandbytes(cpu_, source, directory_.path() / "out", {});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_TRUE(mentions(convert(path()), "give the original checkpoint"));
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "out"));
  EXPECT_EQ(convert(test::shared_path("models/tiny-llama")), "");
  EXPECT_TRUE(mentions(convert(test::shared_path("models/tiny-llama")), "not empty"));
}

}  // namespace
}  // namespace octet

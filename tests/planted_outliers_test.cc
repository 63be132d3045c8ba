// Planted outliers change no function: in every family the logits keep their bits, or the model is
// refused; and the planted dimensions are outliers then.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "model/load/plant_outliers.h"
#include "support/family_variant.h"
#include "support/gguf_conversion.h"
#include "support/scoring.h"
#include "support/shared_data.h"
#include "support/tiny_model.h"

namespace octet {
namespace {

using linear::Method;
using model::PlantOptions;
using test::Logits;

PlantOptions planting() {
  return {.dimensions = {3, 7, 31}, .gain = 32, .progress = {}};
}

/// The Error that planting `source` throws; "" when it throws none.
std::string plant_error(const std::filesystem::path& source, const std::filesystem::path& out,
                        const PlantOptions& options) {
  try {
    model::plant_outliers(source, out, options);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

Logits fp32_logits(const std::filesystem::path& model, const std::vector<int32_t>& tokens,
                   const std::vector<int32_t>& source = {}) {
  device::Cpu cpu(2);
  model::Loaded loaded = model::load(cpu, model, test::with_method(Method::fp32));
  return test::all_logits(loaded.model, cpu, tokens, 16, 0, source);
}

/// Planting multiplies and divides by a power of two. A norm's last operations, products and a sum,
/// are each the same rounding 32 times as large; each product of a linear layer is the same number
/// again, so that its sums have the same terms in the same order. No bit may differ: the tolerance
/// is 0. (Only a number below 2^-126 would be rounded otherwise, and weights are not that small.)
void expect_same_bits(const Logits& planted, const Logits& natural) {
  ASSERT_EQ(planted.size(), natural.size());
  for (size_t i = 0; i < natural.size(); ++i) {
    EXPECT_EQ(std::memcmp(planted[i].data(), natural[i].data(), natural[i].size() * 4), 0) << i;
  }
}

class PlantedVariant : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(source_);
    test::write_family_variant(GetParam(), source_);
  }

  void expect_planted_is_natural(const std::filesystem::path& source) {
    const auto tokens = test::variant_tokens(GetParam());
    const auto encoded = test::variant_tokens(GetParam() + " source");
    const model::Planted planted = model::plant_outliers(source, planted_, planting());
    EXPECT_GT(planted.norms, 0);
    EXPECT_GT(planted.matrices, 0);
    expect_same_bits(fp32_logits(planted_, tokens, encoded), fp32_logits(source, tokens, encoded));
    device::Cpu cpu(2);
    model::LoadOptions load;
    model::Loaded written = model::load(cpu, planted_, load);
    load.plant = {.dimensions = planting().dimensions, .gain = planting().gain};
    model::Loaded loaded = model::load(cpu, source, load);
    expect_same_bits(test::all_logits(loaded.model, cpu, tokens, 16, 0, encoded),
                     test::all_logits(written.model, cpu, tokens, 16, 0, encoded));
  }

  const test::TemporaryDirectory directory_;
  const std::filesystem::path source_ = directory_.path() / "source";
  const std::filesystem::path planted_ = directory_.path() / "planted";
};

TEST_P(PlantedVariant, HasTheSameLogitsOrIsRefusedByName) {
  // The one adds what its norms make to the residual stream, the other has norms behind the blocks.
  if (GetParam() == "bloom_residual_after_norm" || GetParam() == "olmo2_groups") {
    const std::string message = plant_error(source_, planted_, planting());
    const std::string family = GetParam().substr(0, GetParam().find('_'));
    EXPECT_NE(message.find("this " + family + " model"), std::string::npos) << message;
    EXPECT_FALSE(std::filesystem::exists(planted_));
    return;
  }
  expect_planted_is_natural(source_);
}

std::vector<std::string> variants() {
  std::vector<std::string> names;
  for (const auto& [name, variant] : test::family_variants()["cases"].items())
    names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Variants, PlantedVariant, testing::ValuesIn(variants()),
                         [](const auto& tested) { return tested.param; });

class PlantedGguf : public PlantedVariant {};

TEST_P(PlantedGguf, HasTheSameLogits) {
  test::write_gguf(source_, directory_.path() / "source.gguf");
  expect_planted_is_natural(directory_.path() / "source.gguf");
}

// Fused and stacked tensors, norms with crossed names, gains stored as sums, an encoder.
INSTANTIATE_TEST_SUITE_P(Variants, PlantedGguf,
                         testing::Values("phi_plain", "mixtral_no_window", "gpt2_narrow",
                                         "falcon_40b", "gemma", "t5_gated_gelu",
                                         "gpt_bigcode_one_head", "phi3_partial", "llama_yarn"),
                         [](const auto& tested) { return tested.param; });

class PlantedOutliers : public testing::Test {
 protected:
  const test::TemporaryDirectory directory_;
  const std::filesystem::path source_ = directory_.path() / "source";
  const std::filesystem::path planted_ = directory_.path() / "planted";
  const std::vector<int32_t> tokens_ = {1, 5, 9, 60, 33, 2, 80};
};

TEST_F(PlantedOutliers, AreKeptBySearchWhereNothingWasBefore) {
  test::write_tiny_model({}, source_);
  PlantOptions options = planting();
  options.dimensions = {3, 47};
  model::plant_outliers(source_, planted_, options);
  device::Cpu cpu(2);
  const model::Loaded natural = model::load(cpu, source_, {});
  const model::Loaded planted = model::load(cpu, planted_, {});
  for (size_t layer = 0; layer < 2; ++layer) {
    for (const auto member : {&model::Layer::qkv, &model::Layer::up}) {
      const auto& before = (natural.model.weights().layers[layer].*member).parts().kept_columns;
      const auto& after = (planted.model.weights().layers[layer].*member).parts().kept_columns;
      for (const int32_t dimension : options.dimensions) {
        EXPECT_EQ(std::count(before.begin(), before.end(), dimension), 0) << layer;
        EXPECT_EQ(std::count(after.begin(), after.end(), dimension), 1) << layer;
      }
    }
  }
}

TEST_F(PlantedOutliers, KeepBfloat16AndWidenTheFloat16ThatWouldLoseBits) {
  for (const char* type : {"bf16", "f16", "f32"}) {
    const test::TemporaryDirectory directory;
    const auto source = directory.path() / "source";
    const auto out = directory.path() / "planted";
    test::write_tiny_model({.dtype = type}, source);
    const model::Planted planted = model::plant_outliers(source, out, planting());
    EXPECT_EQ(planted.norms, 4);
    EXPECT_EQ(planted.matrices, 10);
    // A f16 number below 2^-9 has fewer bits left for its thirty-second; of the 1,668 weights
    // around 0 that are divided, one in a hundred is that small. The gains, around 1, have room
    // above.
    EXPECT_LE(planted.widened, planted.matrices);
    EXPECT_EQ(planted.widened > 0, std::string(type) == "f16") << planted.widened;
    expect_same_bits(fp32_logits(out, tokens_), fp32_logits(source, tokens_));
    const auto before = checkpoint::Checkpoint::open(source);
    const auto after = checkpoint::Checkpoint::open(out);
    EXPECT_EQ(after->names(), before->names());
    for (const std::string name : {"model.embed_tokens.weight", "model.norm.weight",
                                   "model.layers.1.mlp.down_proj.weight"}) {
      EXPECT_EQ(after->at(name).dtype, before->at(name).dtype);
      EXPECT_TRUE(std::ranges::equal(after->at(name).bytes, before->at(name).bytes)) << name;
    }
    const std::string gain = "model.layers.0.input_layernorm.weight";
    EXPECT_EQ(after->at(gain).dtype, before->at(gain).dtype);
    EXPECT_FALSE(std::ranges::equal(after->at(gain).bytes, before->at(gain).bytes));
  }
}

TEST_F(PlantedOutliers, RefuseAWeightThatEvenFloat32WouldRound) {
  test::write_tiny_model({.dtype = "f32"}, source_);
  const auto file = source_ / "model.safetensors";
  std::string bytes = read_file(file);
  const std::string name = "model.layers.1.self_attn.k_proj.weight";
  const auto parsed = checkpoint::parse_safetensors(std::as_bytes(std::span(bytes)), "file");
  const auto offset =
      reinterpret_cast<const char*>(parsed.tensors.at(name).bytes.data()) - bytes.data();
  const float odd = 0x1.8p-126f + 0x1p-149f;  // its last bit is the last that float32 has
  std::memcpy(bytes.data() + offset + 3 * sizeof(float), &odd, sizeof odd);
  write_file(file, bytes);
  const std::string message = plant_error(source_, planted_, planting());
  EXPECT_NE(message.find(name), std::string::npos) << message;
  EXPECT_FALSE(std::filesystem::exists(planted_));
}

TEST_F(PlantedOutliers, RefuseWrongDimensionsPostNormModelsAndQuantisedOnes) {
  test::write_tiny_model({.family = "opt"}, source_);
  PlantOptions options = planting();
  for (const std::vector<int32_t>& wrong :
       {std::vector<int32_t>{0, 48}, std::vector<int32_t>{-1}, std::vector<int32_t>{5, 6, 5}}) {
    options.dimensions = wrong;
    const std::string message = plant_error(source_, planted_, options);
    EXPECT_NE(message.find("dimension " + std::to_string(wrong.back())), std::string::npos)
        << message;
  }
  device::Cpu cpu(1);
  model::save_quantized(model::load(cpu, source_, {}), source_, directory_.path() / "int8");
  EXPECT_NE(plant_error(directory_.path() / "int8", planted_, planting()).find("original"),
            std::string::npos);
  nlohmann::json config = nlohmann::json::parse(read_file(source_ / "config.json"));
  config["do_layer_norm_before"] = false;
  write_file(source_ / "config.json", config.dump());
  EXPECT_NE(plant_error(source_, planted_, planting()).find("this opt model"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(planted_));
}

TEST_F(PlantedOutliers, WhileLoadingAreThoseOfTheFile) {
  for (const char* type : {"bf16", "f16", "f32"}) {
    const test::TemporaryDirectory directory;
    const auto source = directory.path() / "source";
    const auto out = directory.path() / "planted";
    test::write_tiny_model({.family = "gpt2", .dtype = type}, source);
    const PlantOptions options = planting();
    model::plant_outliers(source, out, options);
    device::Cpu cpu(2);
    for (const linear::Method method : linear::all_methods()) {
      model::LoadOptions load = test::with_method(
          method, method == linear::Method::llm_int8 ? 16 : 8, linear::OutlierMode::kept);
      model::Loaded written = model::load(cpu, out, load);
      load.plant = {.dimensions = options.dimensions, .gain = options.gain};
      model::Loaded loaded = model::load(cpu, source, load);
      expect_same_bits(test::all_logits(loaded.model, cpu, tokens_),
                       test::all_logits(written.model, cpu, tokens_));
    }
  }
}

TEST_F(PlantedOutliers, WhileLoadingAreRefusedAsInFiles) {
  test::write_tiny_model({}, source_);
  device::Cpu cpu(1);
  model::LoadOptions load;
  load.plant = {.dimensions = {48}, .gain = 2};
  EXPECT_THROW(model::load(cpu, source_, load), Error);
  model::save_quantized(model::load(cpu, source_, {}), source_, directory_.path() / "int8");
  load.plant.dimensions = {1};
  EXPECT_THROW(model::load(cpu, directory_.path() / "int8", load), Error);
}

TEST_F(PlantedOutliers, StoppedOnTheWayLeaveNoModelBehind) {
  test::write_tiny_model({}, source_);
  PlantOptions options = planting();
  options.progress = [](double share) {
    if (share > 0.9) fail("stopped");
  };
  EXPECT_EQ(plant_error(source_, planted_, options), "stopped");
  EXPECT_TRUE(std::filesystem::is_empty(planted_));
}

TEST_F(PlantedOutliers, InBlocksAreDecodedExactly) {
  OCTET_REQUIRE_PATH(test::smollm2_path());
  PlantOptions options = planting();
  options.dimensions = {44, 465, 429, 210, 419, 380};
  model::plant_outliers(test::smollm2_path(), planted_, options);
  expect_same_bits(fp32_logits(planted_, tokens_), fp32_logits(test::smollm2_path(), tokens_));
}

}  // namespace
}  // namespace octet

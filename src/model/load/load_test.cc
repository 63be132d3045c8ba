// Loading checkpoints: what is wrong with one is said in one line, and nothing crashes.
#include "model/load/load.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "base/file.h"
#include "model/load/packer.h"
#include "octet/error.h"
#include "support/tiny_model.h"

namespace octet::model {
namespace {

using nlohmann::json;

std::string load_error(const std::filesystem::path& path, const LoadOptions& options = {}) {
  device::Cpu cpu(2);
  try {
    load(cpu, path, options);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

void edit_config(const std::filesystem::path& directory, const std::string& key, json value) {
  json config = json::parse(read_file(directory / "config.json"));
  config[key] = std::move(value);
  write_file(directory / "config.json", config.dump());
}

TEST(Load, SaysWhenTheTensorsDoNotFitTheConfig) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({}, directory.path());
  EXPECT_EQ(load_error(directory.path()), "");
  edit_config(directory.path(), "intermediate_size", 96);
  EXPECT_NE(load_error(directory.path()).find("gate_proj"), std::string::npos);
  edit_config(directory.path(), "intermediate_size", 88);
  edit_config(directory.path(), "num_hidden_layers", 3);
  EXPECT_NE(load_error(directory.path()).find("model.layers.2"), std::string::npos);
  edit_config(directory.path(), "num_hidden_layers", 9999);
  EXPECT_NE(load_error(directory.path()).find("model.layers.2"), std::string::npos);
  edit_config(directory.path(), "num_hidden_layers", 2);
  edit_config(directory.path(), "model_type", "gpt2");
  EXPECT_NE(load_error(directory.path()), "");
  edit_config(directory.path(), "model_type", "unheard-of");
  EXPECT_NE(load_error(directory.path()).find("unheard-of"), std::string::npos);
}

TEST(Load, SaysWhenThereIsNoModel) {
  const test::TemporaryDirectory directory;
  EXPECT_NE(load_error(directory.path()).find("config.json"), std::string::npos);
  EXPECT_NE(load_error(directory.path() / "absent"), "");
}

TEST(Load, RefusesWeightsThatAreNotFinite) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({.dtype = "f32"}, directory.path());
  std::string bytes = read_file(directory.path() / "model.safetensors");
  // Sign, exponent and mantissa of the last stored float all ones: NaN.
  std::fill(bytes.end() - 4, bytes.end(), '\xff');
  write_file(directory.path() / "model.safetensors", bytes);
  const std::string message = load_error(directory.path());
  EXPECT_NE(message.find("lm_head"), std::string::npos) << message;
}

TEST(Load, SurvivesEveryTruncationAndManyFlippedBits) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model(
      {.vocabulary = 20, .hidden = 16, .layers = 1, .heads = 2, .kv_heads = 1, .intermediate = 24},
      directory.path());
  const std::string whole = read_file(directory.path() / "model.safetensors");
  std::mt19937 random(5);
  for (int i = 0; i < 60; ++i) {
    const size_t length = random() % whole.size();
    write_file(directory.path() / "model.safetensors", whole.substr(0, length));
    EXPECT_NE(load_error(directory.path()), "") << "cut to " << length;
  }
  for (int i = 0; i < 200; ++i) {
    std::string flipped = whole;
    // Mostly in the header, where the structure is.
    const size_t place = i % 4 == 0 ? random() % whole.size() : random() % 1200;
    flipped[place] = static_cast<char>(flipped[place] ^ (1 << (random() % 8)));
    write_file(directory.path() / "model.safetensors", flipped);
    load_error(directory.path());  // an Error or a loaded model, never a crash
  }
}

TEST(Load, AQuantisedDirectoryRoundTripsBitForBitForEveryFamilyAndMethod) {
  for (const char* family : {"llama", "gpt2", "opt"}) {
    for (const linear::Method method : linear::all_methods()) {
      SCOPED_TRACE(std::string(family) + " " + std::string(linear::name(method)));
      const test::TemporaryDirectory directory;
      test::write_tiny_model({.family = family, .outlier_gain = 20}, directory.path() / "source");
      device::Cpu cpu(1);
      LoadOptions options;
      options.precision.method = method;
      if (method != linear::Method::llm_int8) options.precision.activation_bits = 8;
      Loaded first = load(cpu, directory.path() / "source", options);
      save_quantized(first, directory.path() / "source", directory.path() / "saved");
      Loaded second = load(cpu, directory.path() / "saved", options);
      EXPECT_EQ(second.model.precision().method, method);
      const std::vector<int32_t> tokens = {1, 5, 9, 60, 33};
      const int32_t page = 0;
      const Slice slice{.rows = 5, .first_position = 0, .pages = &page};
      const std::vector<int64_t> wanted = {0, 4};
      const Step step{tokens, {&slice, 1}, wanted, options.precision.activation_bits};
      std::vector<float> a(2 * 97), b(2 * 97);
      KvCache cache(first.model.architecture(), first.model.cache_type(), 1);
      first.model.forward(cpu, step, cache, {a.data(), 2, 97});
      second.model.forward(cpu, step, cache, {b.data(), 2, 97});
      EXPECT_EQ(a, b);
    }
  }
}

TEST(Load, RefusesADamagedQuantisedDirectory) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({.outlier_gain = 20}, directory.path() / "source");
  device::Cpu cpu(1);
  const Loaded loaded = load(cpu, directory.path() / "source", {});
  save_quantized(loaded, directory.path() / "source", directory.path() / "saved");
  const auto file = directory.path() / "saved" / "model.safetensors";
  const std::string whole = read_file(file);
  // Another method than the one it was written with.
  LoadOptions other;
  other.precision.method = linear::Method::absmax;
  other.asked.method = true;
  EXPECT_NE(load_error(directory.path() / "saved", other).find("llm-int8"), std::string::npos);
  std::mt19937 random(5);
  for (int i = 0; i < 200; ++i) {
    std::string flipped = whole;
    const size_t place = i % 2 == 0 ? random() % whole.size() : random() % 3000;
    flipped[place] = static_cast<char>(flipped[place] ^ (1 << (random() % 8)));
    write_file(file, flipped);
    load_error(directory.path() / "saved");
  }
  // Saving over a directory that holds something is refused.
  EXPECT_THROW(save_quantized(loaded, directory.path() / "source", directory.path() / "saved"),
               Error);
}

TEST(Load, KeepsTheOutlierFeaturesThatTheNormsMake) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({.outlier_gain = 30}, directory.path());
  device::Cpu cpu(2);
  const Loaded loaded = load(cpu, directory.path(), {});
  for (const Layer& layer : loaded.model.weights().layers) {
    const auto& kept = layer.qkv.parts().kept_columns;
    EXPECT_TRUE(std::find(kept.begin(), kept.end(), 3) != kept.end());
    EXPECT_TRUE(std::find(kept.begin(), kept.end(), 7) != kept.end());
    EXPECT_LT(kept.size(), 12);
  }
  LoadOptions off;
  off.precision.threshold = 0;
  EXPECT_TRUE(
      load(cpu, directory.path(), off).model.weights().layers[0].qkv.parts().kept_columns.empty());
}

TEST(Load, AKindOfLayerWithItsOwnThresholdIsPackedForIt) {
  const test::TemporaryDirectory directory;
  const auto source = directory.path() / "source";
  const auto saved = directory.path() / "saved";
  test::write_tiny_model({.outlier_gain = 40}, source);
  device::Cpu cpu(2);
  const Loaded plain = load(cpu, source, {});
  LoadOptions options;
  options.precision.kind_thresholds[static_cast<size_t>(linear::LayerKind::qkv)] = 0.0f;
  options.precision.kind_thresholds[static_cast<size_t>(linear::LayerKind::down)] = 100000.0f;
  const Loaded own = load(cpu, source, options);
  EXPECT_EQ(plain.kept.size(), 8u);  // four linear inputs in each of two layers
  EXPECT_EQ(own.kept.size(), 6u);    // those of q/k/v keep nothing
  for (size_t layer = 0; layer < 2; ++layer) {
    const Layer& before = plain.model.weights().layers[layer];
    const Layer& after = own.model.weights().layers[layer];
    EXPECT_GE(before.qkv.parts().kept_columns.size(), 2);
    EXPECT_EQ(after.qkv.parts().kept_columns.size(), 0);
    EXPECT_EQ(after.qkv.precision().threshold, 0);
    EXPECT_LT(after.down.parts().kept_columns.size(), before.down.parts().kept_columns.size());
    EXPECT_EQ(after.down.precision().threshold, 100000);
    EXPECT_EQ(after.up.precision().threshold, 6);
  }
  save_quantized(own, source, saved);
  const Loaded again = load(cpu, saved, {});
  EXPECT_EQ(again.model.precision().kind_thresholds, options.precision.kind_thresholds);
  EXPECT_EQ(again.model.weights().layers[1].down.precision().threshold, 100000);
  EXPECT_EQ(again.model.weights().layers[1].qkv.precision().threshold, 0);
  EXPECT_EQ(again.model.weights().bytes(), own.model.weights().bytes());
  options.asked.threshold = true;
  EXPECT_EQ(load_error(saved, options), "");
  options.precision.kind_thresholds[static_cast<size_t>(linear::LayerKind::down)] = 7.0f;
  const std::string message = load_error(saved, options);
  EXPECT_NE(message.find("--threshold 6,qkv=0,down=100000"), std::string::npos) << message;
}

TEST(Load, RefusesDamagedThresholdsOfKinds) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({}, directory.path() / "source");
  device::Cpu cpu(1);
  save_quantized(load(cpu, directory.path() / "source", {}), directory.path() / "source",
                 directory.path() / "saved");
  const json whole = json::parse(read_file(directory.path() / "saved" / "config.json"));
  for (const json& thresholds : {json(5), json{{"gate", 5}}, json{{"up", -1}}, json{{"up", "x"}}}) {
    json config = whole;
    config["octet"]["thresholds"] = thresholds;
    write_file(directory.path() / "saved" / "config.json", config.dump());
    EXPECT_NE(load_error(directory.path() / "saved").find("thresholds"), std::string::npos)
        << thresholds;
  }
}

TEST(Load, SkippedModulesStaySixteenBit) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({}, directory.path());
  device::Cpu cpu(1);
  LoadOptions options;
  options.skip_modules = {"down_proj", "lm_head"};
  const Loaded loaded = load(cpu, directory.path(), options);
  const Layer& layer = loaded.model.weights().layers[0];
  EXPECT_EQ(layer.down.parts().method, linear::Method::fp16);
  EXPECT_EQ(layer.up.parts().method, linear::Method::llm_int8);
  options.skip_modules = {"none"};
  EXPECT_EQ(load(cpu, directory.path(), options).model.weights().lm_head->parts().method,
            linear::Method::llm_int8);
}

TEST(Search, TokensAreTheSameEverywhere) {
  EXPECT_EQ(search_tokens(4, 49152), (std::vector<int32_t>{36271, 26100, 17743, 16876}));
}

TEST(Search, FindsColumnsThatReachTheThresholdInAnyRow) {
  const std::vector<float> x = {0, -6, 1, 5.99f, 6, 0, 0, -5};
  device::Cpu cpu(2);
  EXPECT_EQ(columns_reaching(cpu, {x.data(), 2, 4}, 6.0f), (std::vector<int32_t>{0, 1}));
  std::vector<float> wide(3 * 2000, 5.0f);
  wide[511] = wide[2000 + 512] = 7;
  wide.back() = -6;
  EXPECT_EQ(columns_reaching(cpu, {wide.data(), 3, 2000}, 6.0f),
            (std::vector<int32_t>{511, 512, 1999}));
}

}  // namespace
}  // namespace octet::model

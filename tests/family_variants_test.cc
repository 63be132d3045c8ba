// Variants of every family: small models whose weights follow from their names give the logits that
// transformers computed (tests/families/make_variants.py), and stay the same when quantised and
// reloaded.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "support/scoring.h"
#include "support/temporary_directory.h"

namespace octet {
namespace {

using nlohmann::json;
using test::Logits;

const json& document() {
  static const json parsed = json::parse(
      read_file(std::filesystem::path(OCTET_SOURCE_DIR) / "tests/families/variants.json"));
  return parsed;
}

/// `count` numbers from -1 up to 1 in steps of 2^-23: splitmix64 from the name's FNV-1a hash.
std::vector<double> unit(const std::string& name, size_t count) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  std::vector<double> numbers(count);
  for (double& number : numbers) {
    hash += 0x9e3779b97f4a7c15u;
    uint64_t z = hash;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    number = static_cast<double>(z >> 40) / 8388608.0 - 1;
  }
  return numbers;
}

std::vector<float> values(const std::string& name, const tensor::Shape& shape) {
  const auto count = std::accumulate(shape.begin(), shape.end(), size_t{1},
                                     [](size_t n, int64_t extent) { return n * extent; });
  std::vector<float> floats;
  for (double number : unit(name, count)) {
    const double around = name.ends_with("weight") ? 1 : 0;
    floats.push_back(static_cast<float>(shape.size() > 1 ? number * 0.5 : number * 0.25 + around));
  }
  return floats;
}

std::vector<int32_t> tokens(const std::string& name) {
  std::vector<int32_t> ids;
  const int last = document()["vocabulary"].get<int>() - 1;
  for (double number : unit(name, document()["tokens"].get<size_t>())) {
    ids.push_back(static_cast<int32_t>(std::fabs(number) * last));
  }
  return ids;
}

void write_checkpoint(const json& variant, const std::filesystem::path& directory) {
  std::vector<std::vector<float>> storage;
  std::vector<checkpoint::NamedTensor> tensors;
  for (const auto& [name, shape] : variant["tensors"].items()) {
    tensor::View view{tensor::DType::f32, shape.get<tensor::Shape>(), {}};
    storage.push_back(values(name, view.shape));
    view.bytes = std::as_bytes(std::span<const float>(storage.back()));
    tensors.push_back({name, std::move(view)});
  }
  checkpoint::write_safetensors(directory / "model.safetensors", tensors, {});
  write_file(directory / "config.json", variant["config"].dump());
}

class FamilyVariant : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { write_checkpoint(variant_, directory_.path()); }

  Logits logits(model::Model& model) {
    return test::all_logits(model, cpu_, tokens(GetParam()), 16, 0, tokens(GetParam() + " source"));
  }

  const json& variant_ = document()["cases"][GetParam()];
  const test::TemporaryDirectory directory_;
  device::Cpu cpu_{2};
};

TEST_P(FamilyVariant, Fp32GivesTransformersLogits) {
  model::Loaded loaded =
      model::load(cpu_, directory_.path(), test::with_method(linear::Method::fp32));
  const Logits computed = logits(loaded.model);
  const auto positions = document()["positions"].get<std::vector<size_t>>();
  for (size_t p = 0; p < positions.size(); ++p) {
    const json& expected = variant_["logits"][p];
    ASSERT_EQ(computed[positions[p]].size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      // As for the larger references: both were computed in float32, in other orders; the stored
      // six digits add 5e-6 of the value at most.
      const double reference = expected[i].get<double>();
      EXPECT_NEAR(computed[positions[p]][i], reference, 1e-4 + 2e-5 * std::fabs(reference))
          << "position " << positions[p] << ", logit " << i;
    }
  }
}

TEST_P(FamilyVariant, QuantisedAndReloadedItGivesTheSameBits) {
  const std::filesystem::path quantised = directory_.path() / "quantised";
  model::Loaded loaded =
      model::load(cpu_, directory_.path(), test::with_method(linear::Method::llm_int8));
  model::save_quantized(loaded, directory_.path(), quantised);
  model::Loaded reloaded = model::load(cpu_, quantised, {});
  const Logits expected = logits(loaded.model);
  const Logits actual = logits(reloaded.model);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(std::memcmp(actual[i].data(), expected[i].data(), expected[i].size() * 4), 0) << i;
  }
  EXPECT_EQ(reloaded.kept.size(), loaded.kept.size());
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const auto& [name, variant] : document()["cases"].items()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Variants, FamilyVariant, testing::ValuesIn(names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace octet

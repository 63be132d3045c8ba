// Small models of each family's variants, whose weights follow from their names.
#include "support/family_variant.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/file.h"
#include "checkpoint/safetensors.h"

namespace octet::test {

using nlohmann::json;

const json& family_variants() {
  static const json parsed = json::parse(
      read_file(std::filesystem::path(OCTET_SOURCE_DIR) / "tests/families/variants.json"));
  return parsed;
}

namespace {

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

}  // namespace

std::vector<int32_t> variant_tokens(const std::string& name) {
  std::vector<int32_t> ids;
  const int last = family_variants()["vocabulary"].get<int>() - 1;
  for (double number : unit(name, family_variants()["tokens"].get<size_t>())) {
    ids.push_back(static_cast<int32_t>(std::fabs(number) * last));
  }
  return ids;
}

void write_family_variant(const std::string& name, const std::filesystem::path& directory) {
  const json& variant = family_variants()["cases"][name];
  std::vector<std::vector<float>> storage;
  std::vector<checkpoint::NamedTensor> tensors;
  for (const auto& [tensor, shape] : variant["tensors"].items()) {
    tensor::View view{tensor::DType::f32, shape.get<tensor::Shape>(), {}};
    storage.push_back(values(tensor, view.shape));
    view.bytes = std::as_bytes(std::span<const float>(storage.back()));
    tensors.push_back({tensor, std::move(view)});
  }
  checkpoint::write_safetensors(directory / "model.safetensors", tensors, {});
  write_file(directory / "config.json", variant["config"].dump());
}

void expect_transformers_logits(const std::string& name,
                                const std::vector<std::vector<float>>& computed) {
  const json& logits = family_variants()["cases"][name]["logits"];
  const auto positions = family_variants()["positions"].get<std::vector<size_t>>();
  for (size_t p = 0; p < positions.size(); ++p) {
    const json& expected = logits[p];
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

}  // namespace octet::test

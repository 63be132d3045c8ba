// Pseudo-random weights for a configuration without a checkpoint.
#include "model/load/random_weights.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace octet::model {

namespace {

/// Features that norms make large, and how much: beyond the threshold in most tokens.
constexpr int64_t kOutlierFeatures[] = {3, 40, 77};
constexpr float kOutlierGain = 16;

uint64_t mix(uint64_t z) {  // splitmix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t seed_of(std::string_view name) {  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

/// Sum of the four bytes, less its mean.
float byte_sum(uint32_t bits) {
  const uint32_t pairs = (bits & 0x00ff00ffu) + ((bits >> 8) & 0x00ff00ffu);
  return static_cast<float>(static_cast<int32_t>((pairs & 0xffffu) + (pairs >> 16)) - 510);
}

float deviation_for(int64_t inputs) {
  return 0.6f / std::sqrt(static_cast<float>(inputs));
}

}  // namespace

void random_normal(uint64_t seed, int64_t first, int64_t count, float deviation, float* out) {
  // A byte has variance (256² − 1)/12.
  const float scale = deviation / std::sqrt(4 * 65535.0f / 12);
  for (int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<uint64_t>(first + i);
    const uint64_t bits = mix(seed + (index / 2 + 1) * 0x9e3779b97f4a7c15u);
    out[i] = scale * byte_sum(static_cast<uint32_t>(index % 2 == 0 ? bits : bits >> 32));
  }
}

RandomWeights::RandomWeights(const std::filesystem::path& config) {
  const std::string file = config.string();
  json_ = std::make_unique<nlohmann::json>(
      nlohmann::json::parse(read_file(config), nullptr, /*allow_exceptions=*/false));
  if (!json_->is_object()) {
    fail("{}: holds no JSON object; give a Hugging Face config.json", file);
  }
  config_ = std::make_unique<Config>(*json_, file, [](const std::string&) { return true; });
  if (config_->text_or("torch_dtype", config_->text_or("dtype", "float16")) == "bfloat16") {
    sixteen_bit_ = ops::SixteenBit::bf16;
  }
}

RandomWeights::~RandomWeights() = default;

linear::WeightSource RandomWeights::source(const LinearNames& names, int64_t /*head_dim*/) const {
  const uint64_t seed = seed_of(names.parts.front().weight);
  return {.outputs = names.outputs(),
          .inputs = names.inputs,
          .sixteen_bit = sixteen_bit_,
          .read_rows = [seed, inputs = names.inputs](int64_t first, int64_t rows, float* out) {
            random_normal(seed, first * inputs, rows * inputs, deviation_for(inputs), out);
          }};
}

tensor::Array<float> RandomWeights::bias(const LinearNames& names, int64_t /*head_dim*/) const {
  const bool any = std::any_of(names.parts.begin(), names.parts.end(),
                               [](const MatrixName& part) { return !part.bias.empty(); });
  return any ? tensor::Array<float>(names.outputs()) : tensor::Array<float>();
}

tensor::Array<float> RandomWeights::vector(const std::string& name, int64_t size) const {
  tensor::Array<float> values(size);
  if (!name.ends_with(".weight")) return values;
  std::fill(values.begin(), values.end(), 1.0f);
  for (int64_t feature : kOutlierFeatures) {
    if (feature < size) values[feature] = kOutlierGain;
  }
  return values;
}

tensor::Array<float> RandomWeights::matrix(const std::string& name, int64_t rows,
                                           int64_t columns) const {
  tensor::Array<float> values(rows * columns);
  random_normal(seed_of(name), 0, rows * columns, deviation_for(columns), values.data());
  return values;
}

void RandomWeights::release(const LinearNames& /*names*/) const {}

int64_t RandomWeights::stored_bytes(const LinearNames& names) const {
  return 2 * names.outputs() * names.inputs;
}

}  // namespace octet::model

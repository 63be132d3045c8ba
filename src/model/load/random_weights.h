// Pseudo-random weights for a configuration without a checkpoint: what benchmarks run on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/load/weight_reader.h"

namespace octet::model {

/// The same weights on every machine. Matrices are nearly normal with standard deviation
/// .6/√inputs, with which products of gated layers mostly stay below the outlier threshold, as in
/// trained models; biases are 0; norms multiply by 1 but for three features, which they make as
/// large as outlier features of trained models are.
class RandomWeights : public WeightReader {
 public:
  /// `config` is a Hugging Face config.json. Throws Error when it cannot be read.
  explicit RandomWeights(const std::filesystem::path& config);
  ~RandomWeights() override;

  const Config& config() const override { return *config_; }
  linear::WeightSource source(const LinearNames& names, int64_t head_dim) const override;
  tensor::Array<float> bias(const LinearNames& names, int64_t head_dim) const override;
  tensor::Array<float> vector(const std::string& name, int64_t size) const override;
  tensor::Array<float> matrix(const std::string& name, int64_t rows,
                              int64_t columns) const override;
  void release(const LinearNames& names) const override;
  /// In 16 bits.
  int64_t stored_bytes(const LinearNames& names) const override;

 private:
  std::unique_ptr<nlohmann::json> json_;
  std::unique_ptr<Config> config_;
  ops::SixteenBit sixteen_bit_ = ops::SixteenBit::f16;
};

/// Writes elements [first, first + count) of a sequence of nearly normal numbers (a sum of four
/// bytes: at most 3.5 standard deviations) with this standard deviation; `seed` names the sequence.
void random_normal(uint64_t seed, int64_t first, int64_t count, float deviation, float* out);

}  // namespace octet::model

// Small random checkpoints in Hugging Face layout, written by the tests themselves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "support/temporary_directory.h"

namespace octet::test {

struct TinyModel {
  std::string family = "llama";  ///< llama, gpt2 or opt
  std::string dtype = "f16";     ///< f32, f16 or bf16
  int64_t vocabulary = 97;
  int64_t hidden = 48;
  int64_t layers = 2;
  int64_t heads = 6;
  int64_t kv_heads = 2;  ///< llama only
  int64_t intermediate = 88;
  int64_t positions = 256;
  uint64_t seed = 1;
  /// Multiplies two input columns of the norms, so that activations have outlier features.
  float outlier_gain = 1;
};

/// Writes config.json and model.safetensors of random weights to `directory`.
void write_tiny_model(const TinyModel& model, const std::filesystem::path& directory);

}  // namespace octet::test

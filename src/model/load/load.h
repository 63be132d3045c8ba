// From a checkpoint on disk to a Model: reading, packing and the search for outlier columns.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "chat/model_chat.h"
#include "linear/precision.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace octet::model {

/// Outlier features to plant while the weights are read: the model that plant_outliers() would
/// write, without the file.
struct PlantWhileLoading {
  std::vector<int32_t> dimensions;  ///< of the hidden state
  float gain = 1;                   ///< a power of two; 1: nothing is planted
};

struct LoadOptions {
  linear::Precision precision;
  /// Which parts of `precision` were asked for rather than left at their defaults: a quantised
  /// directory that was written otherwise is refused for these and decides the others.
  struct Asked {
    bool method = false;
    bool threshold = false;
    bool outliers = false;
  } asked = {};
  /// Modules that stay 16-bit, by the last or any dotted part of their name (lm_head, down_proj);
  /// "none" alone: nothing is skipped. Token embeddings are never quantised.
  std::vector<std::string> skip_modules = {"lm_head"};
  PlantWhileLoading plant = {};
  /// Called with the share done, 0 to 1, from the loading thread. Throwing from it stops loading.
  std::function<void(double share)> progress;
};

/// Outlier columns kept in 16 bits, of one linear input.
struct KeptShare {
  Stack stack = Stack::decoder;
  int64_t layer = 0;
  LinearId linear;
  int64_t kept = 0;
  int64_t columns = 0;
};

struct Loaded {
  Model model;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;  ///< null when the checkpoint carries none
  std::string tokenizer_problem;                    ///< why it is null
  int64_t weights_bytes_16bit = 0;                  ///< what the same weights take in 16 bits
  std::vector<KeptShare> kept;                      ///< `kept` mode only
  std::unique_ptr<chat::ModelChat> chat = {};       ///< null without a chat template …
  std::string chat_problem = {};                    ///< … for this reason
};

/// Opens a Hugging Face directory, a .gguf file or a directory written by save_quantized.
/// A quantised directory fixes the method, threshold, outlier mode and skipped modules that it was
/// written with (LoadOptions::Asked). Of one that bitsandbytes wrote, the int8 weights are used as
/// they are; it fixes the skipped modules, and `kept` becomes `token`.
Loaded load(device::Cpu& cpu, const std::filesystem::path& path, const LoadOptions& options);

/// A model of the shape that a Hugging Face config.json describes, with pseudo-random weights (see
/// RandomWeights): what speed can be measured on without a checkpoint.
Loaded load_random(device::Cpu& cpu, const std::filesystem::path& config,
                   const LoadOptions& options);

/// The description alone (config and tensor list), nothing packed.
struct Description {
  Architecture architecture;
  /// "safetensors", "torch", "gguf", "bitsandbytes" or "octet"; "config" where there are no
  /// weights.
  std::string format;
  struct Tensor {
    std::string name;
    std::string dtype;
    std::vector<int64_t> shape;
    int64_t bytes = 0;
  };
  std::vector<Tensor> tensors;
};
/// Of what load() opens, or of a config.json: alone or in a directory without weights.
Description describe(const std::filesystem::path& path);

/// Writes what `load` packed (octet's own format: config.json and model.safetensors, plus the
/// tokenizer's files) to a new or empty directory. `source` is the path the model was loaded from.
void save_quantized(const Loaded& loaded, const std::filesystem::path& source,
                    const std::filesystem::path& directory);

/// What save_bitsandbytes wrote.
struct SavedBytes {
  int64_t weights_16bit = 0;  ///< what the same weights take in 16 bits
  int64_t weights = 0;        ///< of the tensors written
};

/// Converts an unquantised Hugging Face directory, `source`, to one that transformers loads with
/// bitsandbytes: int8 weights with a scale for each row, rounded to f16 before as bitsandbytes
/// does; all other tensors as they are. Uses the threshold, skip_modules and progress of `options`.
SavedBytes save_bitsandbytes(device::Cpu& cpu, const std::filesystem::path& source,
                             const std::filesystem::path& directory, const LoadOptions& options);

}  // namespace octet::model

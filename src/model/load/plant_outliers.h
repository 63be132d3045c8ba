// Writes a checkpoint of the same function whose activations have outliers in chosen dimensions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

namespace octet::model {

struct PlantOptions {
  std::vector<int32_t> dimensions;  ///< of the hidden state
  float gain = 32;                  ///< a power of two, more than 1
  /// Called with the share done, 0 to 1. Throwing from it stops the work.
  std::function<void(double share)> progress;
};

struct Planted {
  int64_t norms = 0;     ///< whose gains were multiplied
  int64_t matrices = 0;  ///< whose columns were divided
  int64_t widened = 0;   ///< tensors stored in a wider type than before, to stay exact
};

/// Writes the model at `source` to a new or empty directory with, in every layer, the norms in
/// front of the blocks multiplied by the gain in these dimensions, and the columns that read them
/// divided by it. Both are exact: a tensor whose 16-bit type cannot hold a result is stored in
/// float32. A Hugging Face directory becomes one with model.safetensors, a GGUF file a directory
/// with model.gguf; what is not changed has the same bytes. Throws Error, before anything is
/// written, for quantised directories, for families whose norms are read by more than linear
/// layers, and for values that not even float32 can hold.
Planted plant_outliers(const std::filesystem::path& source, const std::filesystem::path& directory,
                       const PlantOptions& options);

}  // namespace octet::model

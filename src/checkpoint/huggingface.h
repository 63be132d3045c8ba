// Which files of a Hugging Face directory hold its configuration and its weights.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace octet::checkpoint {

/// The weight files of a model directory. With an index, `owner_of` says which file (its
/// name) holds each tensor; without one it is empty and every tensor of every file counts.
struct WeightFiles {
  std::vector<std::filesystem::path> files;
  std::map<std::string, std::string> owner_of = {};
  bool pickled = false;  ///< files of torch.save, not safetensors
};

/// Reads config.json. Throws Error when it is absent, not JSON or not an object.
nlohmann::json read_config(const std::filesystem::path& directory);

/// Finds model.safetensors, else an index of shards, else every *.safetensors; where there are
/// none, pytorch_model.bin, its index or every pytorch_model*.bin. Throws Error naming what is
/// missing or an index that points outside the directory.
WeightFiles find_weight_files(const std::filesystem::path& directory);

/// The config.json that stands for a model without its weights: `model` itself, a .json file, or
/// the one of a directory that has neither weight files nor an index of them.
std::optional<std::filesystem::path> find_lone_config(const std::filesystem::path& model);

/// The *.gguf files of a directory, sorted.
std::vector<std::filesystem::path> find_gguf_files(const std::filesystem::path& directory);

}  // namespace octet::checkpoint

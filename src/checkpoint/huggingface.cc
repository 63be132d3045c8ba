// Which files of a Hugging Face directory hold its configuration and its weights.
#include "checkpoint/huggingface.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/json_text.h"
#include "checkpoint/layout.h"

namespace octet::checkpoint {
namespace {

constexpr size_t kLargestConfig = 16 << 20;
constexpr size_t kLargestIndex = 128 << 20;

std::vector<std::filesystem::path> files_ending(const std::filesystem::path& directory,
                                                std::string_view ending) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().filename().string().ends_with(ending)) found.push_back(entry.path());
  }
  if (error) fail("{}: cannot list the directory: {}", directory.string(), error.message());
  std::sort(found.begin(), found.end());
  return found;
}

/// A shard lies beside its index; a name that could lead elsewhere is refused.
void check_shard_name(const std::string& shard, const std::string& index) {
  const bool plain = !shard.empty() && shard != "." && shard != ".." &&
                     shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain) {
    fail("{}: {} is not the name of a file in the same directory", index, printable(shard));
  }
}

WeightFiles read_index(const std::filesystem::path& path) {
  const nlohmann::json index = parse_json(read_file(path, kLargestIndex), path.string());
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    fail("{}: no weight_map; the file is damaged", path.string());
  }
  WeightFiles result;
  std::set<std::string> shards;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) {
      fail("{}: the file of tensor {} is not a text", path.string(), printable(name));
    }
    const auto& file = shard.get_ref<const std::string&>();
    check_shard_name(file, path.string());
    shards.insert(file);
    result.owner_of.emplace(name, file);
  }
  if (shards.empty()) fail("{}: names no tensors", path.string());
  for (const std::string& shard : shards) {
    result.files.push_back(path.parent_path() / shard);
    if (!std::filesystem::exists(result.files.back())) {
      fail("{}: missing, although {} names it; download all shards", result.files.back().string(),
           path.filename().string());
    }
  }
  return result;
}

}  // namespace

nlohmann::json read_config(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  if (!std::filesystem::exists(path)) {
    fail("{}: no config.json; give a Hugging Face model directory or a .gguf file",
         directory.string());
  }
  nlohmann::json config = parse_json(read_file(path, kLargestConfig), path.string());
  if (!config.is_object()) fail("{}: not a JSON object", path.string());
  return config;
}

WeightFiles find_weight_files(const std::filesystem::path& directory) {
  const std::filesystem::path single = directory / "model.safetensors";
  if (std::filesystem::exists(single)) return {{single}, {}};
  const auto indexes = files_ending(directory, ".safetensors.index.json");
  if (indexes.size() > 1) {
    fail("{}: {} indexes of shards; keep the one to load", directory.string(), indexes.size());
  }
  if (!indexes.empty()) return read_index(indexes.front());
  WeightFiles all{files_ending(directory, ".safetensors"), {}};
  if (!all.files.empty()) return all;
  for (const std::filesystem::path& file : files_ending(directory, ".bin")) {
    if (file.filename().string().starts_with("pytorch_model")) {
      fail("{}: PyTorch pickles are not supported yet; convert the model to safetensors",
           file.string());
    }
  }
  fail("{}: no *.safetensors; the model's weights are missing", directory.string());
}

std::vector<std::filesystem::path> find_gguf_files(const std::filesystem::path& directory) {
  return files_ending(directory, ".gguf");
}

}  // namespace octet::checkpoint

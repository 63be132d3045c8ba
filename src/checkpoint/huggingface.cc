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

std::vector<std::filesystem::path> files_named(const std::filesystem::path& directory,
                                               std::string_view beginning,
                                               std::string_view ending) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(beginning) && name.ends_with(ending)) found.push_back(entry.path());
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

/// How the weight files of one format are called.
struct FileNames {
  std::string_view whole;      ///< the name of a model in one file, without its ending
  std::string_view beginning;  ///< of all files
  std::string ending;
};

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

/// One file, else the shards of an index, else every file of such a name.
WeightFiles find_files(const std::filesystem::path& directory, const FileNames& names) {
  const std::filesystem::path single = directory / (std::string(names.whole) + names.ending);
  if (std::filesystem::exists(single)) return {{single}};
  const auto indexes = files_named(directory, names.beginning, names.ending + ".index.json");
  if (indexes.size() > 1) {
    fail("{}: {} indexes of shards; keep the one to load", directory.string(), indexes.size());
  }
  if (!indexes.empty()) return read_index(indexes.front());
  return {files_named(directory, names.beginning, names.ending)};
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
  WeightFiles found = find_files(directory, {"model", "", ".safetensors"});
  if (!found.files.empty()) return found;
  found = find_files(directory, {"pytorch_model", "pytorch_model", ".bin"});
  found.pickled = true;
  if (!found.files.empty()) return found;
  fail("{}: neither *.safetensors nor pytorch_model*.bin; the model's weights are missing",
       directory.string());
}

std::optional<std::filesystem::path> find_lone_config(const std::filesystem::path& model) {
  std::error_code error;
  if (std::filesystem::is_regular_file(model, error)) {
    return model.extension() == ".json" ? std::optional(model) : std::nullopt;
  }
  std::filesystem::path config = model / "config.json";
  if (!std::filesystem::is_regular_file(config, error)) return std::nullopt;
  for (const std::string_view ending :
       {".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".gguf"}) {
    if (!files_named(model, "", ending).empty()) return std::nullopt;
  }
  return config;
}

std::vector<std::filesystem::path> find_gguf_files(const std::filesystem::path& directory) {
  return files_named(directory, "", ".gguf");
}

}  // namespace octet::checkpoint

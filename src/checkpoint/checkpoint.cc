// A model's files, opened: configuration and named tensors, whatever the format.
#include "checkpoint/checkpoint.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/huggingface.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch.h"

namespace octet::checkpoint {
namespace {

bool looks_like_gguf(const std::filesystem::path& file) {
  if (file.extension() == ".gguf") return true;
  std::array<char, 4> magic{};
  std::ifstream(file, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "GGUF";
}

/// The one GGUF file of a directory without config.json; empty when it has none.
std::filesystem::path lone_gguf(const std::filesystem::path& directory) {
  if (std::filesystem::exists(directory / "config.json")) return {};
  const auto files = find_gguf_files(directory);
  if (files.size() > 1) {
    fail("{}: {} .gguf files; give the path of one of them", directory.string(), files.size());
  }
  return files.empty() ? std::filesystem::path{} : files.front();
}

}  // namespace

std::string_view name(Format format) {
  switch (format) {
    case Format::safetensors:
      return "safetensors";
    case Format::torch:
      return "torch";
    case Format::gguf:
      break;
  }
  return "gguf";
}

Checkpoint::Checkpoint(Format format, std::filesystem::path path)
    : format_(format), path_(std::move(path)) {}

Checkpoint::~Checkpoint() = default;

std::unique_ptr<Checkpoint> Checkpoint::open(const std::filesystem::path& model) {
  const std::filesystem::path path = find_model(model);
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    const std::filesystem::path gguf = lone_gguf(path);
    const Format format = gguf.empty() ? Format::safetensors : Format::gguf;
    std::unique_ptr<Checkpoint> result(new Checkpoint(format, path));
    gguf.empty() ? result->open_directory() : result->open_gguf(gguf);
    return result;
  }
  if (!looks_like_gguf(path)) {
    fail("{}: not a model; give a Hugging Face model directory or a .gguf file", path.string());
  }
  std::unique_ptr<Checkpoint> result(new Checkpoint(Format::gguf, path));
  result->open_gguf(path);
  return result;
}

const MappedFile& Checkpoint::map(const std::filesystem::path& file) {
  files_.push_back(std::make_shared<MappedFile>(file));
  return *files_.back();
}

void Checkpoint::open_gguf(const std::filesystem::path& file) {
  const MappedFile& mapped = map(file);
  gguf_ = std::make_unique<Gguf>(parse_gguf(mapped.bytes(), file.string()));
  config_ = std::make_unique<nlohmann::json>(gguf_->metadata.to_json());
  for (const auto& [name, view] : gguf_->tensors) tensors_.emplace(name, Entry{view, &mapped});
}

void Checkpoint::open_directory() {
  config_ = std::make_unique<nlohmann::json>(read_config(path_));
  const WeightFiles weights = find_weight_files(path_);
  if (weights.pickled) format_ = Format::torch;
  for (const std::filesystem::path& file : weights.files) {
    const MappedFile& mapped = map(file);
    for (auto& [name, view] : read_weights(mapped, weights.pickled)) {
      if (!weights.owner_of.empty()) {
        const auto owner = weights.owner_of.find(name);
        if (owner == weights.owner_of.end() || owner->second != file.filename()) continue;
      }
      if (!tensors_.emplace(name, Entry{view, &mapped}).second) {
        fail("{}: tensor {} is in another file too; keep one of them", file.string(),
             printable(name));
      }
    }
  }
  for (const auto& [name, file] : weights.owner_of) {
    if (!tensors_.contains(name)) {
      fail("{}: no tensor {}, although the index says so; download it again",
           (path_ / file).string(), printable(name));
    }
  }
}

TensorMap Checkpoint::read_weights(const MappedFile& file, bool pickled) {
  if (pickled) {
    TorchFile content = parse_torch(file.bytes(), file.path().string());
    std::move(content.copies.begin(), content.copies.end(), std::back_inserter(copies_));
    return std::move(content.tensors);
  }
  Safetensors content = parse_safetensors(file.bytes(), file.path().string());
  metadata_.merge(content.metadata);
  return std::move(content.tensors);
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> result;
  result.reserve(tensors_.size());
  for (const auto& [name, entry] : tensors_) result.push_back(name);
  return result;
}

const tensor::View* Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second.view;
}

const tensor::View& Checkpoint::at(std::string_view name) const {
  const tensor::View* view = find(name);
  if (view == nullptr) fail("{}: no tensor {}", path_.string(), printable(name));
  return *view;
}

const tensor::View& Checkpoint::at(std::string_view name, const tensor::Shape& shape) const {
  const tensor::View& view = at(name);
  if (view.shape != shape) {
    fail("{} has shape {} instead of {}; it does not fit the configuration", where(name),
         printable(view.shape), printable(shape));
  }
  if (!tensor::is_floating(view.dtype)) {
    fail("{} is of type {}, which holds no floating-point numbers", where(name),
         tensor::name(view.dtype));
  }
  return view;
}

int64_t Checkpoint::bytes() const {
  int64_t sum = 0;
  for (const auto& [name, entry] : tensors_) sum += static_cast<int64_t>(entry.view.bytes.size());
  return sum;
}

std::shared_ptr<const void> Checkpoint::find_owner(const tensor::View& view,
                                                   const MappedFile** file) const {
  const auto holds = [&view](std::span<const std::byte> all) {
    return std::less_equal<>()(all.data(), view.bytes.data()) &&
           std::less_equal<>()(view.bytes.data() + view.bytes.size(), all.data() + all.size());
  };
  *file = nullptr;
  for (const auto& each : files_) {
    if (!holds(each->bytes())) continue;
    *file = each.get();
    return each;
  }
  for (const auto& each : copies_) {
    if (holds(*each)) return each;
  }
  invariant_broken("the view belongs to the checkpoint", __FILE__, __LINE__);
}

void Checkpoint::release(const tensor::View& view) const {
  const MappedFile* file = nullptr;
  if (!view.bytes.empty()) find_owner(view, &file);
  if (file != nullptr) file->release(view.bytes);
}

std::shared_ptr<const void> Checkpoint::owner(const tensor::View& view) const {
  const MappedFile* file = nullptr;
  return view.bytes.empty() ? nullptr : find_owner(view, &file);
}

std::string Checkpoint::where(std::string_view tensor_name) const {
  const auto found = tensors_.find(tensor_name);
  const std::filesystem::path& file = found == tensors_.end() ? path_ : found->second.file->path();
  return fmt::format("{}: tensor {}", file.string(), printable(tensor_name));
}

std::optional<std::filesystem::path> Checkpoint::sibling(std::string_view name) const {
  std::filesystem::path path = files_.front()->path().parent_path() / name;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
  return path;
}

}  // namespace octet::checkpoint

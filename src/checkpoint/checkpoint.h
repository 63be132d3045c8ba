// A model's files, opened: configuration and named tensors, whatever the format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "checkpoint/gguf.h"
#include "tensor/owner.h"
#include "tensor/view.h"

namespace octet::checkpoint {

enum class Format { safetensors, torch, gguf };
/// "safetensors", "torch" or "gguf".
std::string_view name(Format format);

/// A checkpoint on disk. Tensors are views of mapped files (copies where a PyTorch file has them
/// transposed or cut) and live as long as the Checkpoint (or
/// their owner()). Constant, so any number of threads may use it.
class Checkpoint {
 public:
  /// Opens a Hugging Face directory (config.json and safetensors or, where there are none,
  /// pytorch_model.bin; one file or shards), a .gguf file, or a directory with one .gguf file and
  /// no config.json; by path or by its name in the Hugging Face cache (find_model). Reads headers
  /// only. Throws Error naming the file and what is wrong with it.
  static std::unique_ptr<Checkpoint> open(const std::filesystem::path& model);

  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  Format format() const { return format_; }
  /// The directory or file that open() was given or found.
  const std::filesystem::path& path() const { return path_; }

  /// config.json, or a GGUF file's metadata as one flat object without its large arrays; those are
  /// in gguf()->metadata.
  const nlohmann::json& config() const { return *config_; }
  /// The safetensors files' __metadata__ (of the first file that has an entry); empty for others.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// The GGUF file's content; null for other formats.
  const Gguf* gguf() const { return gguf_.get(); }

  /// Names of all tensors, sorted.
  std::vector<std::string> names() const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// Null when there is no such tensor.
  const tensor::View* find(std::string_view name) const;
  /// Throws Error naming file and tensor when there is no such tensor.
  const tensor::View& at(std::string_view name) const;
  /// As at(name), and throws unless the tensor has this shape and holds floating-point numbers.
  const tensor::View& at(std::string_view name, const tensor::Shape& shape) const;

  /// Bytes of all tensors together, as stored.
  int64_t bytes() const;

  /// Gives the memory of a tensor that has been read back to the system (a copy stays); it may be
  /// read again.
  void release(const tensor::View& view) const;
  /// Keeps a tensor's memory alive beyond the Checkpoint.
  std::shared_ptr<const void> owner(const tensor::View& view) const;

  /// The file or tensor's file for a message: "model-00001-of-00002.safetensors: tensor 'x'".
  std::string where(std::string_view tensor_name) const;

  /// A file of this name beside the weights (tokenizer.json, tokenizer.model …), if there is one.
  std::optional<std::filesystem::path> sibling(std::string_view name) const;

 private:
  struct Entry {
    tensor::View view;
    const MappedFile* file;
  };

  Checkpoint(Format format, std::filesystem::path path);
  void open_directory();
  /// The tensors of one weight file.
  TensorMap read_weights(const MappedFile& file, bool pickled);
  void open_gguf(const std::filesystem::path& file);
  const MappedFile& map(const std::filesystem::path& file);
  /// The file or copy that holds the view; `file` gets the file, or null for a copy.
  std::shared_ptr<const void> find_owner(const tensor::View& view, const MappedFile** file) const;

  Format format_;
  std::filesystem::path path_;
  std::unique_ptr<nlohmann::json> config_;
  std::map<std::string, std::string> metadata_;
  std::unique_ptr<Gguf> gguf_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::vector<std::shared_ptr<const tensor::Array<std::byte>>> copies_;
  std::map<std::string, Entry, std::less<>> tensors_;
};

}  // namespace octet::checkpoint

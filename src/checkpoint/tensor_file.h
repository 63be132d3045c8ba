// Writes a file of tensors piece by piece, beside its place until it is whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "tensor/view.h"

namespace octet::checkpoint {

/// A tensor to be written.
struct NamedTensor {
  std::string name;
  tensor::View view;
  /// Makes the elements when their turn comes, so that a converted model need not be in memory as a
  /// whole; `view` then has no bytes.
  std::function<void(std::span<std::byte> elements)> make = {};

  /// What the elements take in the file.
  int64_t bytes() const;
};

/// Becomes `path` when finished; what is unfinished is removed.
class TensorFile {
 public:
  explicit TensorFile(std::filesystem::path path);
  ~TensorFile();
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  void write(std::string_view bytes);
  void write(const NamedTensor& tensor);
  void write_zeros(int64_t count);
  /// Throws Error when anything could not be written.
  void finish();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::ofstream stream_;
  bool finished_ = false;
};

}  // namespace octet::checkpoint

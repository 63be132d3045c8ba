// Writes a file of tensors piece by piece, beside its place until it is whole.
#include "checkpoint/tensor_file.h"

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "checkpoint/layout.h"
#include "tensor/owner.h"

namespace octet::checkpoint {

int64_t NamedTensor::bytes() const {
  const auto bytes = tensor_bytes(view.dtype, view.shape);
  OCTET_CHECK(bytes && (make || *bytes == static_cast<int64_t>(view.bytes.size())));
  return *bytes;
}

TensorFile::TensorFile(std::filesystem::path path)
    : path_(std::move(path)), temporary_(path_.string() + ".part") {
  errno = 0;
  stream_.open(temporary_, std::ios::binary | std::ios::trunc);
}

TensorFile::~TensorFile() {
  if (finished_) return;
  stream_.close();
  std::error_code error;
  std::filesystem::remove(temporary_, error);
}

void TensorFile::write(std::string_view bytes) {
  stream_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void TensorFile::write(const NamedTensor& tensor) {
  std::span<const std::byte> elements = tensor.view.bytes;
  tensor::Array<std::byte> made;
  if (tensor.make) {
    made = tensor::Array<std::byte>(tensor.bytes());
    const std::span<std::byte> all(made.data(), static_cast<size_t>(made.size()));
    tensor.make(all);
    elements = all;
  }
  write({reinterpret_cast<const char*>(elements.data()), elements.size()});
  // A full disk is noticed here rather than after the rest has been made.
  if (!stream_) finish();
}

void TensorFile::write_zeros(int64_t count) {
  write(std::string(static_cast<size_t>(count), '\0'));
}

void TensorFile::finish() {
  stream_.close();
  const int reason = errno;
  if (!stream_) fail("{}: cannot write: {}", path_.string(), std::strerror(reason));
  std::error_code error;
  std::filesystem::rename(temporary_, path_, error);
  if (error) fail("{}: cannot replace: {}", path_.string(), error.message());
  finished_ = true;
}

}  // namespace octet::checkpoint

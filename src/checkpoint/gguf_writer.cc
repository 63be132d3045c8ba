// Writing GGUF files: another file's metadata in front of new tensors.
#include <algorithm>

#include "base/error.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_types.h"

namespace octet::checkpoint {
namespace {

template <typename T>
void append(std::string& text, T number) {
  text.append(reinterpret_cast<const char*>(&number), sizeof number);
}

uint32_t number_of(tensor::DType dtype) {
  for (const auto& [number, type] : kGgufTypes) {
    if (type == dtype) return number;
  }
  invariant_broken("GGUF has a number for this type", __FILE__, __LINE__);
}

void describe(const NamedTensor& tensor, uint64_t offset, std::string& text) {
  append<uint64_t>(text, tensor.name.size());
  text += tensor.name;
  const tensor::Shape& shape = tensor.view.shape;
  append(text, static_cast<uint32_t>(shape.size()));
  std::for_each(shape.rbegin(), shape.rend(),
                [&](int64_t extent) { append(text, static_cast<uint64_t>(extent)); });
  append(text, number_of(tensor.view.dtype));
  append(text, offset);
}

}  // namespace

void write_gguf(const std::filesystem::path& path, const Gguf& metadata,
                std::span<const NamedTensor> tensors) {
  const int64_t alignment =
      metadata.metadata.integer("general.alignment").value_or(int64_t{kGgufDefaultAlignment});
  const auto padding = [&](int64_t bytes) { return (alignment - bytes % alignment) % alignment; };
  std::string head = metadata.head_for(tensors.size());
  int64_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    describe(tensor, static_cast<uint64_t>(offset), head);
    offset += tensor.bytes() + padding(tensor.bytes());
  }
  TensorFile file(path);
  file.write(head);
  file.write_zeros(padding(std::ssize(head)));
  for (const NamedTensor& tensor : tensors) {
    file.write(tensor);
    file.write_zeros(padding(tensor.bytes()));
  }
  file.finish();
}

}  // namespace octet::checkpoint

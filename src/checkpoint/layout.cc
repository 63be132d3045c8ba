// What the readers of every checkpoint format share: named views, sizes that cannot overflow,
// names fit for a message.
#include "checkpoint/layout.h"

#include <fmt/format.h>

#include <cstring>

#include "base/error.h"

namespace octet::checkpoint {

std::optional<int64_t> tensor_bytes(tensor::DType dtype, const tensor::Shape& shape) {
  const tensor::DTypeInfo& type = tensor::info(dtype);
  int64_t elements = 1;
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(elements, extent, &elements)) return std::nullopt;
  }
  const int64_t row = shape.empty() ? 1 : shape.back();
  if (row % type.block_elements != 0) return std::nullopt;
  int64_t bytes = 0;
  if (__builtin_mul_overflow(elements / type.block_elements, type.block_bytes, &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

std::string printable(std::string_view name) {
  constexpr size_t kLongest = 120;
  std::string text = "'";
  for (const char character : name.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte >= 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += character;
    }
  }
  return text + (name.size() > kLongest ? "…'" : "'");
}

std::string printable(const tensor::Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void refuse_placeholder(std::span<const std::byte> file, std::string_view source) {
  if (file.empty()) fail("{}: the file is empty", source);
  constexpr std::string_view kPointer = "version https://git-lfs";
  if (file.size() >= kPointer.size() &&
      std::memcmp(file.data(), kPointer.data(), kPointer.size()) == 0) {
    fail("{}: only a Git LFS pointer; fetch the file itself with 'git lfs pull'", source);
  }
}

}  // namespace octet::checkpoint

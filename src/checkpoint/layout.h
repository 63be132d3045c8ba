// What the readers of every checkpoint format share: named views, sizes that cannot overflow,
// names fit for a message.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tensor/view.h"

namespace octet::checkpoint {

/// The tensors of one file by name.
using TensorMap = std::map<std::string, tensor::View, std::less<>>;

/// Bytes of a tensor whose last dimension is stored contiguously; nothing when an extent is
/// negative, the size does not fit, or rows of a block format are not whole blocks.
std::optional<int64_t> tensor_bytes(tensor::DType dtype, const tensor::Shape& shape);

/// `name` in quotes for an error message: control bytes escaped, a long name cut.
std::string printable(std::string_view name);

/// A shape for an error message: "[2, 3]".
std::string printable(const tensor::Shape& shape);

/// Throws Error when `file` is empty or the text that Git LFS leaves in place of a large file.
void refuse_placeholder(std::span<const std::byte> file, std::string_view source);

}  // namespace octet::checkpoint

// The safetensors format: reading with everything checked, and writing aligned files.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "checkpoint/layout.h"
#include "checkpoint/tensor_file.h"
#include "tensor/view.h"

namespace octet::checkpoint {

/// What a safetensors file holds; the views look into the bytes it was parsed from and start
/// wherever the file puts them, so they may be unaligned.
struct Safetensors {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;  // the header's __metadata__
};

/// Reads a whole file in memory; `source` names it in errors. Every length, offset, shape and type
/// is checked before it is used, and as the format demands the tensors must cover the data without
/// gap or overlap. Padding tensors (see write_safetensors) are left out. Throws Error.
Safetensors parse_safetensors(std::span<const std::byte> file, std::string_view source);

/// What lies between tensors that octet writes. `none` is for files that others read.
enum class Padding { to_alignment, none };

/// Writes the tensors in the given order beside `path` and renames the file over it. Every tensor
/// starts at a multiple of 64 bytes of the file, so that a mapping of it can be used in place: the
/// header is filled up with spaces, and because the format allows no gaps, a tensor whose size is
/// no multiple of 64 is followed by a U8 tensor `__pad.N` of zeros that parse_safetensors hides.
/// With Padding::none only the first tensor starts at such a multiple and there are no others.
/// Names must be unique, of plain element types and not begin with "__". Throws Error when the
/// file cannot be written; then nothing is left of it.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       Padding padding = Padding::to_alignment);

/// Where tensors start in files that octet writes: multiples of a cache line and vector register.
inline constexpr int64_t kTensorAlignment = 64;

}  // namespace octet::checkpoint

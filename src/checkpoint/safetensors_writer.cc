// Writing safetensors files whose tensors start at multiples of 64 bytes.
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_names.h"

namespace octet::checkpoint {
namespace {

int64_t padding_after(int64_t bytes, Padding padding) {
  if (padding == Padding::none) return 0;
  return (kTensorAlignment - bytes % kTensorAlignment) % kTensorAlignment;
}

std::string_view spelling(tensor::DType dtype) {
  for (const auto& [text, type] : kSafetensorsTypes) {
    if (type == dtype) return text;
  }
  invariant_broken("safetensors has a name for this type", __FILE__, __LINE__);
}

nlohmann::json describe(std::string_view type, const tensor::Shape& shape, int64_t begin,
                        int64_t bytes) {
  return {{"dtype", type}, {"shape", shape}, {"data_offsets", {begin, begin + bytes}}};
}

/// Header length and header, filled up with spaces to a multiple of kTensorAlignment.
std::string make_header(std::span<const NamedTensor> tensors,
                        const std::map<std::string, std::string>& metadata, Padding padding,
                        const std::filesystem::path& path) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header[std::string(kMetadataKey)] = metadata;
  std::set<std::string_view> names;
  int64_t offset = 0;
  int64_t pads = 0;
  for (const auto& [name, view] : tensors) {
    const auto bytes = static_cast<int64_t>(view.bytes.size());
    OCTET_CHECK(names.insert(name).second && !name.starts_with("__"));
    OCTET_CHECK(tensor_bytes(view.dtype, view.shape) == bytes);
    header[name] = describe(spelling(view.dtype), view.shape, offset, bytes);
    offset += bytes;
    if (const int64_t pad = padding_after(bytes, padding); pad != 0) {
      header[std::string(kPadPrefix) + std::to_string(pads++)] = describe("U8", {pad}, offset, pad);
      offset += pad;
    }
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail("{}: a tensor's name or the metadata is not UTF-8", path.string());
  }
  uint64_t length = text.size();
  text.resize(text.size() + padding_after(static_cast<int64_t>(sizeof length + length),
                                          Padding::to_alignment),
              ' ');
  length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata, Padding padding) {
  const std::string header = make_header(tensors, metadata, padding, path);
  const std::filesystem::path temporary = path.string() + ".part";
  errno = 0;
  std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
  stream.write(header.data(), static_cast<std::streamsize>(header.size()));
  constexpr std::array<char, kTensorAlignment> zeros{};
  for (const auto& [name, view] : tensors) {
    stream.write(reinterpret_cast<const char*>(view.bytes.data()),
                 static_cast<std::streamsize>(view.bytes.size()));
    stream.write(zeros.data(), padding_after(static_cast<int64_t>(view.bytes.size()), padding));
  }
  stream.close();
  const int reason = errno;
  std::error_code error;
  if (!stream) {
    std::filesystem::remove(temporary, error);
    fail("{}: cannot write: {}", path.string(), std::strerror(reason));
  }
  std::filesystem::rename(temporary, path, error);
  if (error) {
    const std::string message = error.message();
    std::filesystem::remove(temporary, error);
    fail("{}: cannot replace: {}", path.string(), message);
  }
}

}  // namespace octet::checkpoint

// Writing safetensors files whose tensors start at multiples of 64 bytes.
#include <array>
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
  for (const NamedTensor& tensor : tensors) {
    const std::string& name = tensor.name;
    const int64_t bytes = tensor.bytes();
    OCTET_CHECK(names.insert(name).second && !name.starts_with("__"));
    header[name] = describe(spelling(tensor.view.dtype), tensor.view.shape, offset, bytes);
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
  TensorFile file(path);
  file.write(header);
  for (const NamedTensor& tensor : tensors) {
    file.write(tensor);
    file.write_zeros(padding_after(tensor.bytes(), padding));
  }
  file.finish();
}

}  // namespace octet::checkpoint

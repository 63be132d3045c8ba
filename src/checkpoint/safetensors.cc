// Reading safetensors: an 8-byte header length, a JSON header, the tensors' bytes.
#include "checkpoint/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "checkpoint/json_text.h"
#include "checkpoint/safetensors_names.h"

namespace octet::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

// The format's own limit; real headers stay below a few megabytes.
constexpr uint64_t kLongestHeader = 100'000'000;
constexpr size_t kMostDimensions = 8;

struct Range {
  uint64_t begin;
  uint64_t end;
  const std::string* name;
};

struct Reader {
  std::string_view source;
  std::span<const std::byte> data;  // what follows the header
  std::vector<Range> ranges;

  [[noreturn]] void damaged(const std::string& name, std::string_view what) const {
    fail("{}: tensor {}: {}; the file is damaged or incomplete", source, printable(name), what);
  }

  tensor::DType dtype(const std::string& name, const nlohmann::json& entry) const {
    const auto found = entry.find("dtype");
    if (found == entry.end() || !found->is_string()) damaged(name, "no dtype");
    const auto& spelling = found->get_ref<const std::string&>();
    for (const auto& [text, type] : kSafetensorsTypes) {
      if (text == spelling) return type;
    }
    fail("{}: tensor {}: elements of type {} are not supported", source, printable(name),
         printable(spelling));
  }

  tensor::Shape shape(const std::string& name, const nlohmann::json& entry) const {
    const auto found = entry.find("shape");
    if (found == entry.end() || !found->is_array()) damaged(name, "no shape");
    if (found->size() > kMostDimensions) damaged(name, "too many dimensions");
    tensor::Shape extents;
    for (const nlohmann::json& extent : *found) {
      if (!extent.is_number_unsigned() || extent.get<uint64_t>() > INT64_MAX) {
        damaged(name, "an extent of its shape is no valid number");
      }
      extents.push_back(static_cast<int64_t>(extent.get<uint64_t>()));
    }
    return extents;
  }

  Range range(const std::string& name, const nlohmann::json& entry) const {
    const auto found = entry.find("data_offsets");
    if (found == entry.end() || !found->is_array() || found->size() != 2 ||
        !(*found)[0].is_number_unsigned() || !(*found)[1].is_number_unsigned()) {
      damaged(name, "no valid data_offsets");
    }
    const Range bytes{(*found)[0].get<uint64_t>(), (*found)[1].get<uint64_t>(), &name};
    if (bytes.begin > bytes.end) damaged(name, "its data ends before it begins");
    if (bytes.end > data.size()) damaged(name, "its data lies beyond the end of the file");
    return bytes;
  }

  tensor::View view(const std::string& name, const nlohmann::json& entry) {
    if (!entry.is_object()) damaged(name, "its description is not an object");
    tensor::View view;
    view.dtype = dtype(name, entry);
    view.shape = shape(name, entry);
    const Range bytes = range(name, entry);
    const std::optional<int64_t> expected = tensor_bytes(view.dtype, view.shape);
    if (!expected) damaged(name, "its shape is too large");
    if (bytes.end - bytes.begin != static_cast<uint64_t>(*expected)) {
      damaged(name, "its shape and type do not match the size of its data");
    }
    view.bytes = data.subspan(bytes.begin, bytes.end - bytes.begin);
    ranges.push_back(bytes);
    return view;
  }

  /// The format demands that the tensors, put in order, cover the data exactly.
  void check_cover() {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    uint64_t covered = 0;
    for (const Range& part : ranges) {
      if (part.begin < covered) damaged(*part.name, "its data overlaps another tensor's");
      if (part.begin > covered) damaged(*part.name, "bytes before its data belong to no tensor");
      covered = part.end;
    }
    if (covered != data.size()) {
      fail("{}: {} bytes after the last tensor belong to none; the file is damaged", source,
           data.size() - covered);
    }
  }
};

std::map<std::string, std::string> read_metadata(const nlohmann::json& entry,
                                                 std::string_view source) {
  if (!entry.is_object()) fail("{}: {} is not an object", source, kMetadataKey);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) {
      fail("{}: {} entry {} is not a string", source, kMetadataKey, printable(key));
    }
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

/// The header's text, once its length is known to be sound.
std::string_view header_text(std::span<const std::byte> file, std::string_view source) {
  refuse_placeholder(file, source);
  if (file.size() < sizeof(uint64_t)) {
    fail("{}: {} bytes are too few for a safetensors file", source, file.size());
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > file.size() - sizeof length) {
    fail("{}: a header of {} bytes does not fit into the file's {}; not a safetensors file, or cut",
         source, length, file.size());
  }
  if (length > kLongestHeader) {
    fail("{}: a header of {} bytes is more than the {} the format allows", source, length,
         kLongestHeader);
  }
  return {reinterpret_cast<const char*>(file.data()) + sizeof length, length};
}

}  // namespace

Safetensors parse_safetensors(std::span<const std::byte> file, std::string_view source) {
  const std::string_view text = header_text(file, source);
  const nlohmann::json header = parse_json(text, source, Duplicates::refuse);
  if (!header.is_object()) fail("{}: the header is not a JSON object", source);
  Reader reader{source, file.subspan(sizeof(uint64_t) + text.size()), {}};
  Safetensors result;
  for (const auto& member : header.get_ref<const nlohmann::json::object_t&>()) {
    if (member.first == kMetadataKey) {
      result.metadata = read_metadata(member.second, source);
      continue;
    }
    tensor::View view = reader.view(member.first, member.second);
    if (member.first.starts_with(kPadPrefix) && view.dtype == tensor::DType::u8) continue;
    result.tensors.emplace(member.first, std::move(view));
  }
  reader.check_cover();
  return result;
}

}  // namespace octet::checkpoint

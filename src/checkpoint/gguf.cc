// Reading GGUF: header, key/value pairs, tensor descriptions, then the tensors' bytes.
#include "checkpoint/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "checkpoint/gguf_types.h"

namespace octet::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

constexpr uint32_t kMostDimensions = 4;
// The fewest bytes that a key/value pair and a tensor description can take in a file.
constexpr uint64_t kShortestPair = 8 + 4 + 1;
constexpr uint64_t kShortestTensor = 8 + 4 + 4 + 8;

/// Size of a scalar metadata value; 0 for strings and arrays.
constexpr uint64_t scalar_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    case GgufType::string:
    case GgufType::array:
      return 0;
  }
  return 0;
}

/// The element type that a tensor's type number means, if octet reads it.
std::optional<tensor::DType> tensor_type(uint32_t number) {
  for (const auto& [known, type] : kGgufTypes) {
    if (known == number) return type;
  }
  return std::nullopt;
}

}  // namespace

/// Walks through the bytes of a file; every step is checked against what is left.
class GgufReader {
 public:
  GgufReader(std::span<const std::byte> file, std::string_view source)
      : file_(file), source_(source) {}

  Gguf read() {
    refuse_placeholder(file_, source_);
    read_header();
    read_metadata();
    read_tensors();
    return std::move(gguf_);
  }

 private:
  struct Placed {
    uint64_t offset;
    tensor::View* view;
    const std::string* name;
  };

  uint64_t left() const { return file_.size() - position_; }

  std::span<const std::byte> take(uint64_t bytes, std::string_view what) {
    if (bytes > left()) {
      fail("{}: {} of {} bytes does not fit into the {} left; the file is damaged or incomplete",
           source_, what, bytes, left());
    }
    const auto part = file_.subspan(position_, bytes);
    position_ += bytes;
    return part;
  }

  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  std::string_view text(std::string_view what) {
    const auto bytes = take(number<uint64_t>(what), what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void read_header() {
    const auto magic = take(4, "a GGUF signature");
    if (std::memcmp(magic.data(), "GGUF", 4) != 0) fail("{}: not a GGUF file", source_);
    gguf_.version = number<uint32_t>("the version");
    if (gguf_.version != 0 && (gguf_.version & 0xffffu) == 0) {
      fail("{}: a big-endian GGUF file; convert it to little-endian", source_);
    }
    if (gguf_.version != 2 && gguf_.version != 3) {
      fail("{}: GGUF version {} is not supported (2 and 3 are)", source_, gguf_.version);
    }
    tensors_ = number<uint64_t>("the number of tensors");
    pairs_ = number<uint64_t>("the number of metadata pairs");
    if (tensors_ > left() / kShortestTensor || pairs_ > left() / kShortestPair) {
      fail("{}: {} tensors and {} metadata pairs do not fit into {} bytes; the file is damaged",
           source_, tensors_, pairs_, file_.size());
    }
  }

  GgufType value_type(std::string_view key) {
    const auto type = number<uint32_t>("a value's type");
    if (type > static_cast<uint32_t>(GgufType::f64)) {
      fail("{}: metadata {} has unknown type {}", source_, printable(key), type);
    }
    return static_cast<GgufType>(type);
  }

  GgufMetadata::Value value(std::string_view key) {
    GgufMetadata::Value value{value_type(key), GgufType::u8, 0, {}};
    if (value.type == GgufType::string) {
      const std::string_view content = text("a text");
      value.bytes = {reinterpret_cast<const std::byte*>(content.data()), content.size()};
    } else if (value.type == GgufType::array) {
      read_array(key, value);
    } else {
      value.bytes = take(scalar_bytes(value.type), "a value");
    }
    return value;
  }

  void read_array(std::string_view key, GgufMetadata::Value& value) {
    value.element = value_type(key);
    value.count = number<uint64_t>("an array's length");
    if (value.element == GgufType::array) {
      fail("{}: metadata {} is an array of arrays, which is not supported", source_,
           printable(key));
    }
    const bool strings = value.element == GgufType::string;
    const uint64_t least = strings ? sizeof(uint64_t) : scalar_bytes(value.element);
    if (value.count > left() / least) {
      fail("{}: metadata {}: {} elements do not fit into the {} bytes left; the file is damaged",
           source_, printable(key), value.count, left());
    }
    const uint64_t begin = position_;
    if (strings) {
      for (uint64_t index = 0; index < value.count; ++index) text("a text");
    } else {
      take(value.count * least, "an array");
    }
    value.bytes = file_.subspan(begin, position_ - begin);
  }

  void read_metadata() {
    gguf_.metadata.source_ = std::string(source_);
    for (uint64_t index = 0; index < pairs_; ++index) {
      const std::string_view key = text("a metadata key");
      if (!gguf_.metadata.values_.emplace(key, value(key)).second) {
        fail("{}: metadata {} appears twice; the file is damaged", source_, printable(key));
      }
    }
    gguf_.head = file_.first(position_);
    const int64_t parts = gguf_.metadata.integer("split.count").value_or(0);
    if (parts > 1) {
      fail("{}: one of {} parts of a split model; join them into one file first", source_, parts);
    }
  }

  tensor::View describe(const std::string& name) {
    tensor::View view;
    const auto dimensions = number<uint32_t>("a tensor's number of dimensions");
    if (dimensions > kMostDimensions) {
      fail("{}: tensor {}: {} dimensions; the file is damaged", source_, printable(name),
           dimensions);
    }
    for (uint32_t index = 0; index < dimensions; ++index) {
      const auto extent = number<uint64_t>("a tensor's extent");
      if (extent > INT64_MAX) {
        fail("{}: tensor {}: an extent of {}; the file is damaged", source_, printable(name),
             extent);
      }
      view.shape.insert(view.shape.begin(), static_cast<int64_t>(extent));
    }
    const auto type = number<uint32_t>("a tensor's type");
    const std::optional<tensor::DType> dtype = tensor_type(type);
    if (!dtype) {
      fail("{}: tensor {}: elements of GGUF type {} are not supported", source_, printable(name),
           type);
    }
    view.dtype = *dtype;
    return view;
  }

  void read_tensors() {
    const auto alignment = static_cast<uint64_t>(
        gguf_.metadata.integer("general.alignment").value_or(kGgufDefaultAlignment));
    if (alignment > UINT32_MAX || !std::has_single_bit(alignment)) {
      fail("{}: general.alignment is not a power of two", source_);
    }
    std::vector<Placed> placed;
    for (uint64_t index = 0; index < tensors_; ++index) {
      const std::string name(text("a tensor's name"));
      const auto [entry, fresh] = gguf_.tensors.emplace(name, describe(name));
      if (!fresh) {
        fail("{}: tensor {} appears twice; the file is damaged", source_, printable(name));
      }
      const auto offset = number<uint64_t>("a tensor's offset");
      if (offset % alignment != 0) {
        fail("{}: tensor {}: offset {} is no multiple of {}; the file is damaged", source_,
             printable(name), offset, alignment);
      }
      placed.push_back({offset, &entry->second, &entry->first});
    }
    const uint64_t start = (position_ + alignment - 1) / alignment * alignment;
    place(placed, start < file_.size() ? file_.subspan(start) : std::span<const std::byte>{});
  }

  /// Points the views at their bytes in `data`, which they must not leave nor share.
  void place(std::vector<Placed>& placed, std::span<const std::byte> data) const {
    std::stable_sort(placed.begin(), placed.end(),
                     [](const Placed& a, const Placed& b) { return a.offset < b.offset; });
    uint64_t covered = 0;
    for (const auto& [offset, view, name] : placed) {
      const std::optional<int64_t> bytes = tensor_bytes(view->dtype, view->shape);
      if (!bytes) {
        fail(
            "{}: tensor {}: {} elements of type {} are too many or no whole blocks; the file is "
            "damaged",
            source_, printable(*name), printable(view->shape), tensor::name(view->dtype));
      }
      const auto size = static_cast<uint64_t>(*bytes);
      if (offset > data.size() || size > data.size() - offset) {
        fail(
            "{}: tensor {}: its data lies beyond the end of the file; the file is damaged or "
            "incomplete",
            source_, printable(*name));
      }
      if (size == 0) continue;
      if (offset < covered) {
        fail("{}: tensor {}: its data overlaps another tensor's; the file is damaged", source_,
             printable(*name));
      }
      covered = offset + size;
      view->bytes = data.subspan(offset, size);
    }
  }

  std::span<const std::byte> file_;
  std::string_view source_;
  uint64_t position_ = 0;
  uint64_t tensors_ = 0;
  uint64_t pairs_ = 0;
  Gguf gguf_;
};

std::string Gguf::head_for(uint64_t tensor_count) const {
  std::string file(reinterpret_cast<const char*>(head.data()), head.size());
  constexpr size_t kTensorCount = 8;  // after signature and version
  std::memcpy(file.data() + kTensorCount, &tensor_count, sizeof tensor_count);
  return file;
}

Gguf parse_gguf(std::span<const std::byte> file, std::string_view source) {
  return GgufReader(file, source).read();
}

}  // namespace octet::checkpoint

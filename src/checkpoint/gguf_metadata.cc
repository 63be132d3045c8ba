// Typed access to the key/value pairs of a GGUF file.
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/gguf.h"

namespace octet::checkpoint {
namespace {

constexpr uint64_t kLongestCopiedArray = 512;

template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// Calls `use` with the scalar of `type` at `bytes`, as its own C++ type. False for other types.
template <typename Use>
bool visit_scalar(GgufType type, const std::byte* bytes, Use use) {
  switch (type) {
    case GgufType::u8:
      use(load<uint8_t>(bytes));
      return true;
    case GgufType::i8:
      use(load<int8_t>(bytes));
      return true;
    case GgufType::u16:
      use(load<uint16_t>(bytes));
      return true;
    case GgufType::i16:
      use(load<int16_t>(bytes));
      return true;
    case GgufType::u32:
      use(load<uint32_t>(bytes));
      return true;
    case GgufType::i32:
      use(load<int32_t>(bytes));
      return true;
    case GgufType::u64:
      use(load<uint64_t>(bytes));
      return true;
    case GgufType::i64:
      use(load<int64_t>(bytes));
      return true;
    case GgufType::f32:
      use(load<float>(bytes));
      return true;
    case GgufType::f64:
      use(load<double>(bytes));
      return true;
    case GgufType::boolean:
      use(load<uint8_t>(bytes) != 0);
      return true;
    case GgufType::string:
    case GgufType::array:
      return false;
  }
  return false;
}

/// The integer at `bytes`; nothing for other types and for what int64 cannot hold.
std::optional<int64_t> load_integer(GgufType type, const std::byte* bytes) {
  std::optional<int64_t> result;
  visit_scalar(type, bytes, [&result](auto value) {
    using T = decltype(value);
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (std::in_range<int64_t>(value)) result = static_cast<int64_t>(value);
    }
  });
  return result;
}

std::optional<double> load_number(GgufType type, const std::byte* bytes) {
  std::optional<double> result;
  visit_scalar(type, bytes, [&result](auto value) {
    if constexpr (!std::is_same_v<decltype(value), bool>) result = static_cast<double>(value);
  });
  return result;
}

/// Bytes from one element of a numeric array to the next; `count` is not 0.
size_t element_bytes(std::span<const std::byte> bytes, uint64_t count) {
  return bytes.size() / count;
}

}  // namespace

const GgufMetadata::Value* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

const GgufMetadata::Value* GgufMetadata::find_array(std::string_view key) const {
  const Value* value = find(key);
  if (value != nullptr && value->type != GgufType::array) wrong_type(key, "an array");
  return value;
}

void GgufMetadata::wrong_type(std::string_view key, std::string_view wanted) const {
  fail("{}: metadata {} is not {}", source_, printable(key), wanted);
}

std::optional<int64_t> GgufMetadata::integer(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<int64_t> result = load_integer(value->type, value->bytes.data());
  if (!result) wrong_type(key, "an integer in range");
  return result;
}

std::optional<double> GgufMetadata::number(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<double> result = load_number(value->type, value->bytes.data());
  if (!result) wrong_type(key, "a number");
  return result;
}

std::optional<bool> GgufMetadata::boolean(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::boolean) wrong_type(key, "a boolean");
  return load<uint8_t>(value->bytes.data()) != 0;
}

std::optional<std::string_view> GgufMetadata::string(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::string) wrong_type(key, "a text");
  return std::string_view(reinterpret_cast<const char*>(value->bytes.data()), value->bytes.size());
}

std::optional<std::vector<int64_t>> GgufMetadata::integers(std::string_view key) const {
  const Value* array = find_array(key);
  if (array == nullptr) return std::nullopt;
  std::vector<int64_t> result;
  result.reserve(array->count);
  for (uint64_t index = 0; index < array->count; ++index) {
    if (array->element == GgufType::string) wrong_type(key, "an array of integers");
    const size_t step = element_bytes(array->bytes, array->count);
    const auto integer = load_integer(array->element, array->bytes.data() + index * step);
    if (!integer) wrong_type(key, "an array of integers in range");
    result.push_back(*integer);
  }
  return result;
}

std::optional<std::vector<float>> GgufMetadata::numbers(std::string_view key) const {
  const Value* array = find_array(key);
  if (array == nullptr) return std::nullopt;
  std::vector<float> result;
  result.reserve(array->count);
  for (uint64_t index = 0; index < array->count; ++index) {
    if (array->element == GgufType::string) wrong_type(key, "an array of numbers");
    const size_t step = element_bytes(array->bytes, array->count);
    const auto number = load_number(array->element, array->bytes.data() + index * step);
    if (!number) wrong_type(key, "an array of numbers");
    result.push_back(static_cast<float>(*number));
  }
  return result;
}

std::optional<std::vector<std::string_view>> GgufMetadata::strings(std::string_view key) const {
  const Value* array = find_array(key);
  if (array == nullptr) return std::nullopt;
  if (array->element != GgufType::string) wrong_type(key, "an array of texts");
  return split_strings(*array);
}

/// The reader has walked through the same bytes and found every length sound.
std::vector<std::string_view> GgufMetadata::split_strings(const Value& array) {
  std::vector<std::string_view> result;
  result.reserve(array.count);
  const std::byte* next = array.bytes.data();
  for (uint64_t index = 0; index < array.count; ++index) {
    const auto length = load<uint64_t>(next);
    next += sizeof length;
    result.emplace_back(reinterpret_cast<const char*>(next), length);
    next += length;
  }
  return result;
}

nlohmann::json GgufMetadata::to_json(const Value& value) {
  nlohmann::json result;
  if (value.type == GgufType::string) {
    return std::string(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  }
  if (value.type != GgufType::array) {
    visit_scalar(value.type, value.bytes.data(), [&result](auto scalar) { result = scalar; });
    return result;
  }
  result = nlohmann::json::array();
  if (value.element == GgufType::string) {
    for (const std::string_view text : split_strings(value)) result.push_back(text);
    return result;
  }
  for (uint64_t index = 0; index < value.count; ++index) {
    const size_t step = element_bytes(value.bytes, value.count);
    visit_scalar(value.element, value.bytes.data() + index * step,
                 [&result](auto scalar) { result.push_back(scalar); });
  }
  return result;
}

nlohmann::json GgufMetadata::to_json() const {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [key, value] : values_) {
    if (value.type != GgufType::array || value.count <= kLongestCopiedArray) {
      object[key] = to_json(value);
    }
  }
  return object;
}

}  // namespace octet::checkpoint

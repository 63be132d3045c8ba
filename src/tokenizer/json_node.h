// Reading JSON files that others wrote: every access checks the type and names the place.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/json_text.h"

namespace octet::tokenizer {

using checkpoint::parse_json;

/// A value with the place where it stands. Refers into the document.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, std::string file)
      : value_(&value), place_(std::move(file)) {}

  /// The member; throws Error when this is no object or has no such member.
  JsonNode operator[](const char* key) const;

  /// The member, nullopt when it is absent or null; throws Error when this is no object.
  std::optional<JsonNode> find(const char* key) const;

  const std::string& string() const;
  bool boolean() const;
  double number() const;
  int64_t integer(int64_t low, int64_t high) const;
  /// The elements; throws Error when this is no array.
  std::vector<JsonNode> elements() const;

  bool is_null() const { return value_->is_null(); }
  bool is_string() const { return value_->is_string(); }
  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  const nlohmann::json& json() const { return *value_; }

  /// "tokenizer.json: model.vocab".
  const std::string& place() const { return place_; }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    octet::fail("{} {}", place_, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  JsonNode child(const nlohmann::json& value, std::string_view name) const;

  const nlohmann::json* value_;
  std::string place_;
  bool is_root_ = true;
};

}  // namespace octet::tokenizer

// The fields of a JSON request, taken one by one with their types and ranges.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace octet::server {

using Json = nlohmann::ordered_json;

/// Parses a request's body, an object in well-formed UTF-8 that is not nested deeply. Throws
/// ApiError 400.
Json parse_object(std::string_view body);

/// Every function throws ApiError 400 naming the field whose type or range is wrong. A field that
/// is null counts as absent.
class Fields {
 public:
  /// `object` must outlive this.
  explicit Fields(const Json& object) : object_(object) {}

  /// The field as it is; nullptr when absent.
  const Json* any(const char* name);
  std::optional<bool> boolean(const char* name);
  std::optional<int64_t> integer(const char* name, int64_t low, int64_t high);
  std::optional<double> number(const char* name, double low, double high);
  std::optional<std::string> text(const char* name);

  /// Fields that change nothing here.
  void ignore(std::initializer_list<const char*> names);
  /// Throws when there is a field that nobody asked for, as OpenAI does.
  void refuse_others() const;

 private:
  const Json& object_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace octet::server

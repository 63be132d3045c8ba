// Types, ranges and unknown names of a request's fields.
#include "server/fields.h"

#include <fmt/core.h>

#include <cmath>

#include "server/api_error.h"

namespace octet::server {
namespace {

/// More than any client nests; what is parsed is later gone over recursively.
constexpr int kDeepest = 64;

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = fmt::format("{} of {} bytes", value.type_name(), text.size());
  return text;
}

}  // namespace

Json parse_object(std::string_view body) {
  const auto limit = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kDeepest)
      throw ApiError(400, fmt::format("the JSON is nested deeper than {} levels", kDeepest));
    return true;
  };
  try {
    Json object = Json::parse(body, limit);
    if (!object.is_object())
      throw ApiError(400,
                     fmt::format("the body must be a JSON object, not {}", object.type_name()));
    return object;
  } catch (const Json::exception& error) {
    const std::string what = error.what();
    // "[json.exception.parse_error.101] parse error at …"
    const size_t end = what.find("] ");
    throw ApiError(
        400, "the body is no JSON: " + (end == std::string::npos ? what : what.substr(end + 2)));
  }
}

const Json* Fields::any(const char* name) {
  known_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<bool> Fields::boolean(const char* name) {
  const Json* value = any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean())
    refuse(name, fmt::format("{} must be true or false, not {}", name, shown(*value)));
  return value->get<bool>();
}

std::optional<int64_t> Fields::integer(const char* name, int64_t low, int64_t high) {
  const Json* value = any(name);
  if (value == nullptr) return std::nullopt;
  // Unsigned numbers above int64 would wrap around.
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() || value->get<uint64_t>() <= INT64_MAX);
  if (!fits || value->get<int64_t>() < low || value->get<int64_t>() > high)
    refuse(name, fmt::format("{} must be an integer from {} to {}, not {}", name, low, high,
                             shown(*value)));
  return value->get<int64_t>();
}

std::optional<double> Fields::number(const char* name, double low, double high) {
  const Json* value = any(name);
  if (value == nullptr) return std::nullopt;
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (!(number >= low && number <= high))
    refuse(name, fmt::format("{} must be a number from {} to {}, not {}", name, low, high,
                             shown(*value)));
  return number;
}

std::optional<std::string> Fields::text(const char* name) {
  const Json* value = any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string())
    refuse(name, fmt::format("{} must be a string, not {}", name, shown(*value)));
  return value->get<std::string>();
}

void Fields::ignore(std::initializer_list<const char*> names) {
  known_.insert(names.begin(), names.end());
}

void Fields::refuse_others() const {
  for (const auto& [name, value] : object_.items()) {
    if (!known_.contains(name))
      refuse(name, "Unrecognized request argument supplied: " + name.substr(0, 100));
  }
}

}  // namespace octet::server

// Typed, checked access to a model's configuration (Hugging Face config.json or its equivalent).
#include "model/config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace octet::model {

using Json = nlohmann::json;

namespace {

const Json* find(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

}  // namespace

Config::Config(const Json& json_object, std::string file,
               std::function<bool(const std::string&)> has_tensor)
    : json_(json_object), file_(std::move(file)), has_tensor_(std::move(has_tensor)) {
  if (!json_.is_object()) fail("{}: not a JSON object; is this a model's config?", file_);
}

bool Config::has(std::string_view key) const {
  return find(json_, key) != nullptr;
}

std::string Config::text(std::string_view key) const {
  const Json* value = find(json_, key);
  if (value == nullptr) fail("{}: has no \"{}\"", file_, key);
  if (!value->is_string()) fail("{}: \"{}\" is not a string", file_, key);
  return value->get<std::string>();
}

std::string Config::text_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : std::string(otherwise);
}

bool Config::flag_or(std::string_view key, bool otherwise) const {
  const Json* value = find(json_, key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail("{}: \"{}\" is not true or false", file_, key);
  return value->get<bool>();
}

double Config::number(std::string_view key) const {
  const Json* value = find(json_, key);
  if (value == nullptr) fail("{}: has no \"{}\"", file_, key);
  if (!value->is_number()) fail("{}: \"{}\" is not a number", file_, key);
  return value->get<double>();
}

double Config::number_or(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}

double Config::number_or_off(std::string_view key, double absent) const {
  return json_.contains(key) ? number_or(key, 0) : absent;
}

int64_t Config::count(std::string_view key) const {
  const double value = number(key);
  if (!(value >= 1 && value < 2147483648.0) || value != std::floor(value)) {
    fail("{}: \"{}\" is {}, not a whole number from 1 to 2^31", file_, key, value);
  }
  return static_cast<int64_t>(value);
}

int64_t Config::count_or(std::string_view key, int64_t otherwise) const {
  return has(key) ? count(key) : otherwise;
}

int64_t Config::count_any(std::initializer_list<std::string_view> keys) const {
  for (std::string_view key : keys) {
    if (has(key)) return count(key);
  }
  fail("{}: has no \"{}\"", file_, *keys.begin());
}

int64_t Config::layer_count(std::initializer_list<std::string_view> keys) const {
  const int64_t layers = count_any(keys);
  if (layers > 10000) fail("{}: {} layers are over 10000", file_, layers);
  return layers;
}

ops::Activation Config::activation(std::string_view key, std::string_view otherwise) const {
  return activation_named(text_or(key, otherwise), key);
}

ops::Activation Config::activation_named(const std::string& text, std::string_view key) const {
  const auto parsed = ops::parse_activation(text);
  if (!parsed) fail("{}: activation \"{}\" ({}) is not supported", file_, text, key);
  return *parsed;
}

std::vector<int32_t> Config::end_tokens() const {
  std::vector<int32_t> ids;
  const Json* value = find(json_, "eos_token_id");
  if (value == nullptr) return ids;
  const auto add = [&](const Json& id) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      fail("{}: \"eos_token_id\" is not a token id", file_);
    }
    ids.push_back(id.get<int32_t>());
  };
  if (value->is_array()) {
    for (const Json& id : *value) add(id);
  } else {
    add(*value);
  }
  return ids;
}

std::string Config::prefix(std::initializer_list<std::string_view> prefixes,
                           const std::string& probe) const {
  for (std::string_view candidate : prefixes) {
    if (has_tensor(std::string(candidate) + probe)) return std::string(candidate);
  }
  fail("{}: the checkpoint has no tensor {}{}; is it of another model?", file_, *prefixes.begin(),
       probe);
}

void Config::require(std::string_view key, const Json& supported) const {
  const Json* value = find(json_, key);
  if (value != nullptr && *value != supported) {
    fail("{}: \"{}\": {} is not supported", file_, key, value->dump());
  }
}

}  // namespace octet::model

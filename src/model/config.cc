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

ops::Activation Config::activation(std::string_view key, std::string_view otherwise) const {
  const std::string text_value = text_or(key, otherwise);
  const auto parsed = ops::parse_activation(text_value);
  if (!parsed) fail("{}: activation \"{}\" ({}) is not supported", file_, text_value, key);
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

namespace {

/// Reads rope options from both spellings: {rope_theta, rope_scaling {type|rope_type, …}} and
/// {rope_parameters {rope_theta, rope_type, …}}.
struct RopeOptions {
  const Config& config;
  const Json* object;  ///< rope_scaling or rope_parameters; null when absent

  explicit RopeOptions(const Config& c) : config(c), object(find(c.json(), "rope_parameters")) {
    if (object == nullptr) object = find(c.json(), "rope_scaling");
    if (object != nullptr && !object->is_object()) {
      fail("{}: \"rope_parameters\" or \"rope_scaling\" is not an object", c.file());
    }
  }

  std::string type() const {
    if (object == nullptr) return "default";
    for (const char* key : {"rope_type", "type"}) {
      if (const Json* value = find(*object, key)) {
        if (value->is_string()) return value->get<std::string>();
        fail("{}: \"{}\" is not a string", config.file(), key);
      }
    }
    return "default";
  }

  double number(const char* key) const {
    const Json* value = object == nullptr ? nullptr : find(*object, key);
    if (value == nullptr || !value->is_number()) {
      fail("{}: RoPE of type {} needs a number \"{}\"", config.file(), type(), key);
    }
    return value->get<double>();
  }

  /// The divisor of frequency `index` (how GGUF files carry Llama 3's scaling).
  float factor(int64_t index) const {
    const Json* factors = find(*object, "factors");
    if (factors == nullptr || !factors->is_array() ||
        index >= static_cast<int64_t>(factors->size()) ||
        !(*factors)[static_cast<size_t>(index)].is_number()) {
      fail("{}: RoPE has no factor for frequency {}", config.file(), index);
    }
    return (*factors)[static_cast<size_t>(index)].get<float>();
  }

  double theta() const {
    if (object != nullptr && find(*object, "rope_theta") != nullptr) return number("rope_theta");
    return config.number_or("rope_theta", 10000.0);
  }
};

/// Llama 3's scaling: long wavelengths are stretched by `factor`, short ones kept, a smooth ramp
/// between.
float llama3_frequency(float frequency, const RopeOptions& options) {
  const double factor = options.number("factor");
  const double low = options.number("low_freq_factor");
  const double high = options.number("high_freq_factor");
  const double original = options.number("original_max_position_embeddings");
  const double wavelength = 2.0 * 3.14159265358979323846 / frequency;
  if (wavelength < original / high) return frequency;
  if (wavelength > original / low) return static_cast<float>(frequency / factor);
  const double smooth = (original / wavelength - low) / (high - low);
  return static_cast<float>((1.0 - smooth) * frequency / factor + smooth * frequency);
}

}  // namespace

Rope Config::rope(int64_t rotary_dim) const {
  const RopeOptions options(*this);
  const std::string type = options.type();
  if (type != "default" && type != "linear" && type != "llama3" && type != "factors") {
    fail("{}: RoPE of type \"{}\" is not supported (known: default, linear, llama3)", file_, type);
  }
  if (rotary_dim <= 0 || rotary_dim % 2 != 0) {
    fail("{}: {} rotary dimensions; they must be even", file_, rotary_dim);
  }
  const double theta = options.theta();
  if (!(theta > 0)) fail("{}: \"rope_theta\" is {}, not positive", file_, theta);
  Rope rope;
  rope.rotary_dim = rotary_dim;
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(rotary_dim);
    auto frequency = static_cast<float>(1.0 / std::pow(theta, exponent));
    if (type == "linear") frequency = static_cast<float>(frequency / options.number("factor"));
    if (type == "llama3") frequency = llama3_frequency(frequency, options);
    if (type == "factors") frequency /= options.factor(i / 2);
    rope.inverse_frequencies.push_back(frequency);
  }
  return rope;
}

}  // namespace octet::model

// Rotary positions from a configuration: both spellings, and every way of stretching them.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/config.h"

namespace octet::model {

using Json = nlohmann::json;

namespace {

constexpr double kTwoPi = 6.28318530717958647692;

const Json* find(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// The options in both spellings: {rope_theta, rope_scaling {type|rope_type, …}} and
/// {rope_parameters {rope_theta, rope_type, …}}.
class RopeOptions {
 public:
  explicit RopeOptions(const Config& config)
      : config_(config), object_(find(config.json(), "rope_parameters")) {
    if (object_ == nullptr) object_ = find(config.json(), "rope_scaling");
    if (object_ != nullptr && !object_->is_object()) {
      fail("{}: \"rope_parameters\" or \"rope_scaling\" is not an object", config.file());
    }
    if (object_ == nullptr) return;
    for (const auto& [key, value] : object_->items()) {
      // Gemma 3's have one set for each kind of layer.
      if (value.is_object() || key == "mrope_section") {
        fail("{}: RoPE options \"{}\" are not supported", config.file(), key);
      }
    }
  }

  const Config& config() const { return config_; }
  bool has(std::string_view key) const {
    return object_ != nullptr && find(*object_, key) != nullptr;
  }

  std::string type() const {
    for (const char* key : {"rope_type", "type"}) {
      if (!has(key)) continue;
      const Json& value = *find(*object_, key);
      if (!value.is_string()) fail("{}: \"{}\" is not a string", config_.file(), key);
      return value.get<std::string>();
    }
    return "default";
  }

  double number(std::string_view key) const {
    const Json* value = object_ == nullptr ? nullptr : find(*object_, key);
    if (value == nullptr || !value->is_number()) {
      fail("{}: RoPE of type {} needs a number \"{}\"", config_.file(), type(), key);
    }
    return value->get<double>();
  }
  double number_or(std::string_view key, double otherwise) const {
    return has(key) ? number(key) : otherwise;
  }
  bool flag(std::string_view key) const {
    const Json* value = find(*object_, key);
    if (!value->is_boolean()) fail("{}: \"{}\" is not true or false", config_.file(), key);
    return value->get<bool>();
  }
  /// A number that divides, or whose logarithm is taken.
  double positive(std::string_view key) const {
    const double value = number(key);
    if (!(value > 0)) fail("{}: RoPE's \"{}\" is {}, not positive", config_.file(), key, value);
    return value;
  }

  /// Divisors of each frequency.
  std::vector<float> factors(std::string_view key, int64_t count) const {
    const Json* list = object_ == nullptr ? nullptr : find(*object_, key);
    std::vector<float> factors;
    if (list != nullptr && list->is_array() && std::ssize(*list) == count) {
      for (const Json& each : *list) {
        if (each.is_number() && each.get<double>() > 0) factors.push_back(each.get<float>());
      }
    }
    if (std::ssize(factors) != count) {
      fail("{}: RoPE of type {} needs \"{}\", {} positive numbers", config_.file(), type(), key,
           count);
    }
    return factors;
  }

  double theta(std::string_view key, double otherwise) const {
    const double theta =
        has("rope_theta") ? number("rope_theta") : config_.number_or(key, otherwise);
    if (!(theta > 1)) fail("{}: \"{}\" is {}, not over 1", config_.file(), key, theta);
    return theta;
  }

  /// The context before stretching: beside the options (Phi-3) or among them.
  double original_positions() const {
    constexpr std::string_view kKey = "original_max_position_embeddings";
    if (config_.has(kKey)) return static_cast<double>(config_.count(kKey));
    if (has(kKey)) return positive(kKey);
    return static_cast<double>(config_.count("max_position_embeddings"));
  }
  double stretch() const {
    if (has("factor")) return positive("factor");
    return static_cast<double>(config_.count("max_position_embeddings")) / original_positions();
  }

 private:
  const Config& config_;
  const Json* object_;  ///< null when absent
};

/// θ^(−2i/d) for i in [0, d/2).
void plain_frequencies(int64_t rotary_dim, double theta, std::vector<float>& frequencies) {
  frequencies.clear();
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(rotary_dim);
    frequencies.push_back(static_cast<float>(1.0 / std::pow(theta, exponent)));
  }
}

void divide(std::vector<float>& frequencies, const std::vector<float>& factors) {
  for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= factors[i];
}

/// Llama 3: long wavelengths are stretched by `factor`, short ones kept, a smooth ramp between.
void llama3(const RopeOptions& options, Rope& rope) {
  const double factor = options.positive("factor");
  const double low = options.positive("low_freq_factor");
  const double high = options.positive("high_freq_factor");
  const double original = options.original_positions();
  for (float& frequency : rope.inverse_frequencies) {
    const double wavelength = kTwoPi / frequency;
    if (wavelength < original / high) continue;
    double smooth = (original / wavelength - low) / (high - low);
    if (wavelength > original / low) smooth = 0;
    frequency = static_cast<float>((1.0 - smooth) * frequency / factor + smooth * frequency);
  }
}

/// YaRN (arXiv 2309.00071): dimensions that turn more than beta_fast times over the original
/// context stay, those below beta_slow turns are stretched, a linear ramp between; and attention
/// is sharpened.
void yarn(const RopeOptions& options, double theta, Rope& rope) {
  const double factor = options.stretch();
  const double original = options.original_positions();
  const auto dimension_turning = [&](double turns) {
    return static_cast<double>(rope.rotary_dim) * std::log(original / (turns * kTwoPi)) /
           (2 * std::log(theta));
  };
  double low = dimension_turning(options.number_or("beta_fast", 32));
  double high = dimension_turning(options.number_or("beta_slow", 1));
  if (!options.has("truncate") || options.flag("truncate")) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rope.rotary_dim - 1));
  if (low == high) high += 0.001;
  for (size_t i = 0; i < rope.inverse_frequencies.size(); ++i) {
    const double stretched = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double frequency = rope.inverse_frequencies[i];
    rope.inverse_frequencies[i] =
        static_cast<float>(frequency / factor * stretched + frequency * (1 - stretched));
  }
  const auto sharpening = [&](double mscale) {
    return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
  };
  double attention = sharpening(1);
  const double mscale = options.number_or("mscale", 0);
  const double mscale_all = options.number_or("mscale_all_dim", 0);
  if (mscale != 0 && mscale_all != 0) attention = sharpening(mscale) / sharpening(mscale_all);
  rope.attention_factor = static_cast<float>(options.number_or("attention_factor", attention));
}

/// LongRoPE (arXiv 2402.13753): searched divisors of each frequency, one set for the original
/// context and one for longer ones.
void longrope(const RopeOptions& options, Rope& rope) {
  const auto count = static_cast<int64_t>(rope.inverse_frequencies.size());
  rope.long_inverse_frequencies = rope.inverse_frequencies;
  divide(rope.inverse_frequencies, options.factors("short_factor", count));
  divide(rope.long_inverse_frequencies, options.factors("long_factor", count));
  const double original = options.original_positions();
  rope.short_context = static_cast<int64_t>(original);
  const double factor = options.stretch();
  const double attention = factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original));
  rope.attention_factor = static_cast<float>(options.number_or("attention_factor", attention));
}

/// Dynamic NTK: the base grows with the context beyond what the model was trained for. transformers
/// takes the positions so far for the context, and so turns keys it has cached by other angles than
/// the queries that meet them; see Rope::frequencies.
void dynamic(const RopeOptions& options, double theta, Rope& rope) {
  // A factor under 1 would make the base negative for long contexts.
  rope.dynamic_factor = options.positive("factor");
  if (rope.dynamic_factor < 1) {
    fail("{}: RoPE's \"factor\" is {}, under 1", options.config().file(), rope.dynamic_factor);
  }
  if (rope.rotary_dim < 4) {
    fail("{}: RoPE of type dynamic needs over 2 rotary dimensions", options.config().file());
  }
  rope.theta = theta;
  rope.short_context = options.config().count("max_position_embeddings");
}

void check(const Rope& rope, const std::string& file) {
  // The largest angle whose cosine is worked out is 1e7; no context comes near a million here.
  const auto usable = [](float frequency) { return frequency >= 0 && frequency <= 10; };
  if (!std::ranges::all_of(rope.inverse_frequencies, usable) ||
      !std::ranges::all_of(rope.long_inverse_frequencies, usable) ||
      !std::isfinite(rope.attention_factor)) {
    fail("{}: the RoPE options give frequencies that are no numbers from 0 to 10", file);
  }
}

}  // namespace

std::span<const float> Rope::frequencies(int64_t context, std::vector<float>& storage) const {
  if (context <= short_context) return inverse_frequencies;
  if (!long_inverse_frequencies.empty()) return long_inverse_frequencies;
  if (dynamic_factor == 0) return inverse_frequencies;
  const auto dim = static_cast<double>(rotary_dim);
  const double growth =
      dynamic_factor * static_cast<double>(context) / static_cast<double>(short_context) -
      (dynamic_factor - 1);
  plain_frequencies(rotary_dim, theta * std::pow(growth, dim / (dim - 2)), storage);
  return storage;
}

int64_t Config::rotary_dim(int64_t head_dim, double otherwise, std::string_view key) const {
  const RopeOptions options(*this);
  double factor = number_or(key, number_or("partial_rotary_factor", otherwise));
  if (options.has("partial_rotary_factor")) factor = options.number("partial_rotary_factor");
  if (!(factor > 0 && factor <= 1)) {
    fail("{}: \"{}\" is {}, not over 0 and at most 1", file_, key, factor);
  }
  return static_cast<int64_t>(static_cast<double>(head_dim) * factor);
}

Rope Config::rope(int64_t rotary_dim, double otherwise, std::string_view theta_key) const {
  const RopeOptions options(*this);
  if (rotary_dim <= 0 || rotary_dim % 2 != 0) {
    fail("{}: {} rotary dimensions; they must be even", file_, rotary_dim);
  }
  const double theta = options.theta(theta_key, otherwise);
  Rope rope;
  rope.rotary_dim = rotary_dim;
  plain_frequencies(rotary_dim, theta, rope.inverse_frequencies);
  const std::string type = options.type();
  if (type == "linear") {
    const double factor = options.positive("factor");
    for (float& each : rope.inverse_frequencies) each = static_cast<float>(each / factor);
  } else if (type == "dynamic") {
    dynamic(options, theta, rope);
  } else if (type == "llama3") {
    llama3(options, rope);
  } else if (type == "longrope" || type == "su" || (type == "yarn" && options.has("long_factor"))) {
    longrope(options, rope);  // early Phi-3 files say su or yarn
  } else if (type == "yarn") {
    yarn(options, theta, rope);
  } else if (type == "factors") {
    divide(rope.inverse_frequencies, options.factors("factors", rotary_dim / 2));
  } else if (type != "default") {
    fail(
        "{}: RoPE of type \"{}\" is not supported (known: default, linear, dynamic, llama3, yarn, "
        "longrope)",
        file_, type);
  }
  check(rope, file_);
  return rope;
}

}  // namespace octet::model

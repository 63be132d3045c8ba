// Typed, checked access to a model's configuration (Hugging Face config.json or its equivalent).
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/architecture.h"

namespace octet::model {

/// What a family's description is made from. Every getter throws octet::Error naming the file and
/// the key when a value is missing, of the wrong type or out of its range.
class Config {
 public:
  /// `has_tensor` answers for the checkpoint's tensor names.
  Config(const nlohmann::json& json, std::string file,
         std::function<bool(const std::string&)> has_tensor);

  const nlohmann::json& json() const { return json_; }
  const std::string& file() const { return file_; }
  bool has(std::string_view key) const;  ///< present and not null
  bool has_tensor(const std::string& name) const { return has_tensor_(name); }

  std::string text(std::string_view key) const;
  std::string text_or(std::string_view key, std::string_view otherwise) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  double number(std::string_view key) const;
  double number_or(std::string_view key, double otherwise) const;
  /// Options that null turns off: 0 when null, `absent` when the key is not there.
  double number_or_off(std::string_view key, double absent) const;
  /// A count: an integer in [1, 2^31).
  int64_t count(std::string_view key) const;
  int64_t count_or(std::string_view key, int64_t otherwise) const;
  /// The first of these keys that is there (spellings differ between families).
  int64_t count_any(std::initializer_list<std::string_view> keys) const;
  /// Likewise, for a number of layers: at most 10000, so that a damaged file cannot ask for more
  /// descriptions than memory holds.
  int64_t layer_count(std::initializer_list<std::string_view> keys) const;

  /// The activation under `key`; an unknown one is an Error that names it.
  ops::Activation activation(std::string_view key, std::string_view otherwise) const;
  /// The activation called `text`, which was found under `key`.
  ops::Activation activation_named(const std::string& text, std::string_view key) const;
  /// Ids under eos_token_id: none, one or a list.
  std::vector<int32_t> end_tokens() const;
  /// The first of `prefixes` for which prefix + `probe` is a tensor; Error when none is.
  std::string prefix(std::initializer_list<std::string_view> prefixes,
                     const std::string& probe) const;
  /// Throws unless the option is absent, null or equal to `supported`.
  void require(std::string_view key, const nlohmann::json& supported) const;

  /// Dimensions of a head that turn: `head_dim` times partial_rotary_factor (in rope_parameters, or
  /// by itself under that name or `key`), `otherwise` when no factor is given.
  int64_t rotary_dim(int64_t head_dim, double otherwise = 1,
                     std::string_view key = "partial_rotary_factor") const;
  /// Rotary frequencies of `rotary_dim` dimensions from rope_theta (or `theta_key`; `theta` when
  /// there is none) with rope_scaling, or from rope_parameters. Types default, linear,
  /// dynamic, llama3, yarn and longrope; others are an Error.
  Rope rope(int64_t rotary_dim, double theta = 10000,
            std::string_view theta_key = "rope_theta") const;

 private:
  const nlohmann::json& json_;
  std::string file_;
  std::function<bool(const std::string&)> has_tensor_;
};

}  // namespace octet::model

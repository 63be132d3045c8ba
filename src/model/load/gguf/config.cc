// The config.json that a GGUF file's metadata and tensors stand for.
#include "model/load/gguf/config.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/decode.h"

namespace octet::model {

using checkpoint::Gguf;
using nlohmann::json;

namespace {

/// Metadata that change what a model computes, and the value that means they do not. An
/// architecture's own keys are exempt.
struct Neutral {
  std::string_view key;
  double value;
};
constexpr Neutral kNeutral[] = {
    {"attention.causal", 1},
    {"attention.clamp_kqv", 0},
    {"attention.max_alibi_bias", 0},
    {"attention.scale", 0},
    {"attention.sliding_window", 0},
    {"attention.temperature_length", 0},
    {"attention.temperature_scale", 0},
    {"attn_logit_softcapping", 0},
    {"embedding_scale", 1},
    {"expert_count", 0},
    {"expert_gating_func", 1},  // softmax
    {"expert_group_count", 1},
    {"expert_shared_count", 0},
    {"expert_weights_scale", 1},
    {"final_logit_softcapping", 0},
    {"interleave_moe_layer_step", 1},
    {"leading_dense_block_count", 0},
    {"logit_scale", 1},
    {"nextn_predict_layers", 0},
    {"residual_scale", 1},
    {"rope.scaling.yarn_ext_factor", 1},
    {"rope.scaling.yarn_log_multiplier", 0},
};

class ConfigMaker {
 public:
  ConfigMaker(const Gguf& gguf, const GgufArchitecture& architecture, const std::string& file)
      : gguf_(gguf), architecture_(architecture), file_(file) {}

  json make() {
    config_ = json::parse(architecture_.constants);
    config_["model_type"] = architecture_.model_types.front();
    for (const auto& keys : architecture_.keys) {
      for (const GgufKey& key : keys) take(key);
    }
    refuse_unknown_options();
    read_tensors();
    if (architecture_.rotary) config_["rope_parameters"] = rope();
    read_end_tokens();
    if (architecture_.complete != nullptr) architecture_.complete(gguf_, config_);
    return std::move(config_);
  }

 private:
  std::string full(std::string_view key) const {
    return std::string(architecture_.name) + "." + std::string(key);
  }
  std::optional<double> number(std::string_view key) const {
    return gguf_.metadata.number(full(key));
  }
  const tensor::View* tensor(std::string_view name) const {
    const auto found = gguf_.tensors.find(name);
    return found == gguf_.tensors.end() ? nullptr : &found->second;
  }

  void take(const GgufKey& key) {
    const std::string name = full(key.key);
    const std::string option(key.option);
    if (key.kind == GgufKind::number) {
      if (const auto value = gguf_.metadata.number(name)) config_[option] = *value;
    } else if (key.kind == GgufKind::flag) {
      if (const auto value = gguf_.metadata.boolean(name)) config_[option] = *value;
    } else if (const auto value = gguf_.metadata.integer(name)) {
      config_[option] = *value;
    }
  }

  bool knows(std::string_view key) const {
    return std::ranges::any_of(architecture_.keys, [&](const auto& keys) {
      return std::ranges::any_of(keys, [&](const GgufKey& known) { return known.key == key; });
    });
  }

  void refuse_unknown_options() const {
    for (const Neutral& neutral : kNeutral) {
      const std::string key = full(neutral.key);
      if (knows(neutral.key) || !gguf_.metadata.contains(key)) continue;
      const double value = neutral.key == "attention.causal"
                               ? static_cast<double>(*gguf_.metadata.boolean(key))
                               : *gguf_.metadata.number(key);
      if (value != neutral.value) fail("{}: metadata {}: {} is not supported", file_, key, value);
    }
    const auto length = number("attention.value_length");
    if (length && number("attention.key_length").value_or(*length) != *length) {
      fail("{}: metadata {} differs from that of the keys, which is not supported", file_,
           full("attention.value_length"));
    }
  }

  /// What tensors tell better than metadata, or alone. Their shapes are checked when they are read.
  void read_tensors() {
    const auto rows = [&](std::string_view name, const char* option) {
      const tensor::View* view = tensor(name);
      if (view != nullptr && !view->shape.empty()) config_[option] = view->shape[0];
    };
    rows("token_embd.weight", "vocab_size");
    rows("position_embd.weight", "max_position_embeddings");
    read_feed_forward_length();
    for (const GgufSign& sign : architecture_.signs) {
      config_[std::string(sign.option)] = (tensor(sign.tensor) != nullptr) == sign.when_present;
    }
    config_["tie_word_embeddings"] = tensor("output.weight") == nullptr;
    if (config_.contains("sliding_window") && config_["sliding_window"] == 0) {
      config_["sliding_window"] = nullptr;
    }
    const int64_t heads = config_.value("num_attention_heads", int64_t{0});
    if (!config_.contains("head_dim") && heads > 0) {
      config_["head_dim"] = config_.value("hidden_size", int64_t{0}) / heads;
    }
  }

  /// For some architectures converters write four times the hidden size, whatever is true.
  void read_feed_forward_length() {
    for (const char* name : {"blk.0.ffn_down.weight", "blk.0.ffn_down_exps.weight",
                             "blk.0.ffn_down.0.weight", "enc.blk.0.ffn_down.weight"}) {
      const tensor::View* view = tensor(name);
      if (view == nullptr || view->shape.empty()) continue;
      for (const auto& keys : architecture_.keys) {
        for (const GgufKey& key : keys) {
          if (key.key == "feed_forward_length") {
            config_[std::string(key.option)] = view->shape.back();
          }
        }
      }
      return;
    }
  }

  std::vector<float> factors(const tensor::View& view) const {
    if (view.shape.size() != 1 || !tensor::is_floating(view.dtype) || view.shape[0] > 4096) {
      fail("{}: the RoPE factors are no vector of numbers", file_);
    }
    std::vector<float> values(static_cast<size_t>(view.elements()));
    checkpoint::decode_rows(view, 0, checkpoint::row_count(view), values.data());
    return values;
  }

  json rope() const {
    json rope = {{"rope_theta", number("rope.freq_base").value_or(10000.0)},
                 {"rope_type", "default"}};
    const int64_t head_dim = config_.value("head_dim", int64_t{0});
    const double rotary = number("rope.dimension_count").value_or(static_cast<double>(head_dim));
    if (head_dim > 0) {
      // Half a dimension more, so that the product that is cut to a whole number is this one.
      const double half = rotary < static_cast<double>(head_dim) ? 0.5 : 0.0;
      rope["partial_rotary_factor"] = (rotary + half) / static_cast<double>(head_dim);
    }
    const double factor =
        number("rope.scaling.factor").value_or(number("rope.scale_linear").value_or(0));
    const auto type = gguf_.metadata.string(full("rope.scaling.type"));
    const std::string scaling(type.value_or(factor > 0 && factor != 1 ? "linear" : "none"));
    if (scaling != "none") {
      rope["rope_type"] = scaling;
      rope["factor"] = factor > 0 ? factor : 1;
    }
    const auto option = [&](std::string_view key, const char* name) {
      if (const auto value = number(key)) rope[name] = *value;
    };
    option("rope.scaling.original_context_length", "original_max_position_embeddings");
    option("rope.scaling.attn_factor", "attention_factor");
    option("rope.scaling.yarn_attn_factor", "attention_factor");
    option("rope.scaling.yarn_beta_fast", "beta_fast");
    option("rope.scaling.yarn_beta_slow", "beta_slow");
    read_factors(rope);
    return rope;
  }

  /// Divisors of the frequencies, worked out by the converter: one set (Llama 3) or two (longrope).
  void read_factors(json& rope) const {
    const tensor::View* shorter = tensor("rope_factors_short.weight");
    const tensor::View* longer = tensor("rope_factors_long.weight");
    if (shorter != nullptr && longer != nullptr) {
      rope["rope_type"] = "longrope";
      rope.erase("factor");
      rope["short_factor"] = factors(*shorter);
      rope["long_factor"] = factors(*longer);
    } else if (const tensor::View* all = tensor("rope_freqs.weight")) {
      rope["rope_type"] = "factors";
      rope["factors"] = factors(*all);
    }
  }

  void read_end_tokens() {
    json ends = json::array();
    for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
      if (const auto id = gguf_.metadata.integer(key)) ends.push_back(*id);
    }
    config_["eos_token_id"] = ends;
  }

  const Gguf& gguf_;
  const GgufArchitecture& architecture_;
  const std::string& file_;
  json config_;
};

}  // namespace

json gguf_config(const Gguf& gguf, const GgufArchitecture& architecture, const std::string& file) {
  return ConfigMaker(gguf, architecture, file).make();
}

}  // namespace octet::model

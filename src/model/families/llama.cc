// LLaMA: RMS norm, rotary positions, grouped query heads, gated feed-forward.
#include "model/families/llama.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/families/families.h"
#include "model/families/naming.h"

namespace octet::model {

namespace {

std::string prefix_of(const Config& config) {
  return config.prefix({"model.", ""}, "embed_tokens.weight");
}

}  // namespace

void change_layers(Architecture& a, const Config& config,
                   const std::function<void(LayerNames&, const std::string&)>& change) {
  name_layers(a, prefix_of(config) + "layers.", change);
}

Architecture llama_like(const Config& config, const LlamaVariant& variant) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count("hidden_size");
  a.layers = config.layer_count({"num_hidden_layers"});
  a.heads = config.count("num_attention_heads");
  a.kv_heads = config.count_or("num_key_value_heads", a.heads);
  a.head_dim =
      config.count_or("head_dim", variant.head_dim > 0 ? variant.head_dim : equal_head_dim(a));
  a.intermediate_size = config.count("intermediate_size");
  a.max_positions = config.count_or("max_position_embeddings", 2048);
  a.norm_epsilon = static_cast<float>(config.number_or("rms_norm_eps", 1e-6));
  a.rope = config.rope(config.rotary_dim(a.head_dim, variant.rotary_factor), variant.rope_theta);
  a.activation = config.activation("hidden_act", "silu");
  a.gated = true;
  a.attention_scale = usual_attention_scale(a);
  a.end_tokens = config.end_tokens();

  const std::string prefix = prefix_of(config);
  a.names.token_embedding = prefix + "embed_tokens.weight";
  a.names.final_norm = norm(prefix + "norm", false);
  name_head(a, config, variant.tied_embeddings);
  change_layers(a, config, [&](LayerNames& names, const std::string& base) {
    const std::string attention = base + "self_attn.";
    names.attention_norm = norm(base + "input_layernorm", false);
    names.qkv = by_columns({matrix(attention + "q_proj", a.query_size(), variant.qkv_bias),
                            matrix(attention + "k_proj", a.kv_size(), variant.qkv_bias),
                            matrix(attention + "v_proj", a.kv_size(), variant.qkv_bias)},
                           a.hidden_size);
    names.attention_output =
        by_rows(matrix(attention + "o_proj", a.hidden_size, variant.output_bias), a.query_size());
    names.feed_forward_norm = norm(base + "post_attention_layernorm", false);
    names.up = by_columns({matrix(base + "mlp.gate_proj", a.intermediate_size, variant.mlp_bias),
                           matrix(base + "mlp.up_proj", a.intermediate_size, variant.mlp_bias)},
                          a.hidden_size);
    names.down = by_rows(matrix(base + "mlp.down_proj", a.hidden_size, variant.mlp_bias),
                         a.intermediate_size);
  });
  return a;
}

std::vector<int64_t> layer_windows(const Config& config, int64_t layers, int64_t otherwise,
                                   const std::function<bool(int64_t)>& slides) {
  const bool stated = config.json().contains("sliding_window");
  if (stated ? !config.has("sliding_window") : otherwise == 0) return {};
  const int64_t window = config.count_or("sliding_window", otherwise);
  std::vector<int64_t> windows;
  if (!config.has("layer_types")) {
    for (int64_t i = 0; i < layers; ++i) windows.push_back(slides(i) ? window : 0);
    return windows;
  }
  const nlohmann::json& types = config.json().at("layer_types");
  if (!types.is_array() || std::ssize(types) != layers) {
    fail("{}: \"layer_types\" does not list {} layers", config.file(), layers);
  }
  for (const nlohmann::json& type : types) {
    if (type != "sliding_attention" && type != "full_attention") {
      fail("{}: layer type {} is not supported (known: full_attention, sliding_attention)",
           config.file(), type.dump());
    }
    windows.push_back(type == "sliding_attention" ? window : 0);
  }
  return windows;
}

Architecture describe_llama(const Config& config) {
  const bool attention_bias = config.flag_or("attention_bias", false);
  return llama_like(config, {.qkv_bias = attention_bias,
                             .output_bias = attention_bias,
                             .mlp_bias = config.flag_or("mlp_bias", false)});
}

}  // namespace octet::model

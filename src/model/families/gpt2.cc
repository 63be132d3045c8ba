// GPT-2: layer norm before each block, learned positions, fused qkv, weights stored transposed.
#include <cmath>
#include <nlohmann/json.hpp>

#include "model/families/families.h"

namespace octet::model {

namespace {

LayerNames layer(const Architecture& a, const std::string& base) {
  const auto conv1d = [&](const std::string& name, int64_t inputs, int64_t outputs, Split split) {
    return LinearNames{{{.weight = base + name + ".weight",
                         .bias = base + name + ".bias",
                         .transposed = true,
                         .outputs = outputs}},
                       inputs,
                       split};
  };
  LayerNames names;
  names.attention_norm = {base + "ln_1.weight", base + "ln_1.bias"};
  names.qkv = conv1d("attn.c_attn", a.hidden_size, 3 * a.hidden_size, Split::columns);
  names.attention_output = conv1d("attn.c_proj", a.hidden_size, a.hidden_size, Split::rows);
  names.feed_forward_norm = {base + "ln_2.weight", base + "ln_2.bias"};
  names.up = conv1d("mlp.c_fc", a.hidden_size, a.intermediate_size, Split::columns);
  names.down = conv1d("mlp.c_proj", a.intermediate_size, a.hidden_size, Split::rows);
  return names;
}

}  // namespace

Architecture describe_gpt2(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count_any({"n_embd", "hidden_size"});
  a.layers = config.layer_count({"n_layer", "num_hidden_layers"});
  a.heads = a.kv_heads = config.count_any({"n_head", "num_attention_heads"});
  a.head_dim = std::max<int64_t>(1, a.hidden_size / a.heads);
  a.intermediate_size = config.count_or("n_inner", 4 * a.hidden_size);
  a.max_positions = config.count_any({"n_positions", "max_position_embeddings"});
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_epsilon", 1e-5));
  a.positions = Positions::learned;
  a.activation = config.activation("activation_function", "gelu_new");
  config.require("add_cross_attention", false);
  a.attention_scale = config.flag_or("scale_attn_weights", true)
                          ? static_cast<float>(1.0 / std::sqrt(static_cast<double>(a.head_dim)))
                          : 1.0f;
  if (config.flag_or("scale_attn_by_inverse_layer_idx", false)) {
    for (int64_t i = 0; i < a.layers; ++i) {
      a.layer_attention_scale.push_back(a.attention_scale / static_cast<float>(i + 1));
    }
  }
  a.tied_embeddings = config.flag_or("tie_word_embeddings", true);
  a.end_tokens = config.end_tokens();

  const std::string prefix = config.prefix({"transformer.", ""}, "wte.weight");
  a.names.token_embedding = prefix + "wte.weight";
  a.names.position_embedding = prefix + "wpe.weight";
  a.names.final_norm = {prefix + "ln_f.weight", prefix + "ln_f.bias"};
  a.names.lm_head = a.tied_embeddings ? a.names.token_embedding : "lm_head.weight";
  for (int64_t i = 0; i < a.layers; ++i) {
    a.layer_names.push_back(layer(a, prefix + "h." + std::to_string(i) + "."));
  }
  return a;
}

}  // namespace octet::model

// LLaMA: RMS norm, rotary positions, grouped query heads, gated feed-forward.
#include <cmath>
#include <nlohmann/json.hpp>

#include "model/families/families.h"

namespace octet::model {

namespace {

LayerNames layer(const Architecture& a, const std::string& base, bool attention_bias,
                 bool mlp_bias) {
  const auto matrix = [&](const std::string& name, int64_t outputs, bool bias) {
    return MatrixName{.weight = base + name + ".weight",
                      .bias = bias ? base + name + ".bias" : "",
                      .outputs = outputs};
  };
  LayerNames names;
  names.attention_norm = {base + "input_layernorm.weight", ""};
  names.qkv = {{matrix("self_attn.q_proj", a.query_size(), attention_bias),
                matrix("self_attn.k_proj", a.kv_size(), attention_bias),
                matrix("self_attn.v_proj", a.kv_size(), attention_bias)},
               a.hidden_size,
               Split::columns};
  names.attention_output = {
      {matrix("self_attn.o_proj", a.hidden_size, attention_bias)}, a.query_size(), Split::rows};
  names.feed_forward_norm = {base + "post_attention_layernorm.weight", ""};
  names.up = {{matrix("mlp.gate_proj", a.intermediate_size, mlp_bias),
               matrix("mlp.up_proj", a.intermediate_size, mlp_bias)},
              a.hidden_size,
              Split::columns};
  names.down = {
      {matrix("mlp.down_proj", a.hidden_size, mlp_bias)}, a.intermediate_size, Split::rows};
  return names;
}

}  // namespace

Architecture describe_llama(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count("hidden_size");
  a.layers = config.count("num_hidden_layers");
  a.heads = config.count("num_attention_heads");
  a.kv_heads = config.count_or("num_key_value_heads", a.heads);
  a.head_dim = config.count_or("head_dim", std::max<int64_t>(1, a.hidden_size / a.heads));
  a.intermediate_size = config.count("intermediate_size");
  a.max_positions = config.count_or("max_position_embeddings", 2048);
  a.norm = NormKind::rms;
  a.norm_epsilon = static_cast<float>(config.number_or("rms_norm_eps", 1e-6));
  a.positions = Positions::rope;
  a.rope = config.rope(a.head_dim);
  a.activation = config.activation("hidden_act", "silu");
  a.gated = true;
  a.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(a.head_dim)));
  a.tied_embeddings = config.flag_or("tie_word_embeddings", false);
  a.end_tokens = config.end_tokens();

  const std::string prefix = config.prefix({"model.", ""}, "embed_tokens.weight");
  a.names.token_embedding = prefix + "embed_tokens.weight";
  a.names.final_norm = {prefix + "norm.weight", ""};
  a.names.lm_head = a.tied_embeddings ? a.names.token_embedding : "lm_head.weight";
  const bool attention_bias = config.flag_or("attention_bias", false);
  const bool mlp_bias = config.flag_or("mlp_bias", false);
  for (int64_t i = 0; i < a.layers; ++i) {
    a.layer_names.push_back(
        layer(a, prefix + "layers." + std::to_string(i) + ".", attention_bias, mlp_bias));
  }
  return a;
}

}  // namespace octet::model

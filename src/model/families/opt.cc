// OPT: learned positions with an offset of 2, ReLU, norms before the blocks (after, in OPT-350M,
// which also embeds in fewer dimensions than it computes in).
#include <cmath>
#include <nlohmann/json.hpp>

#include "model/families/families.h"

namespace octet::model {

namespace {

/// Rows of the position table before position 0's.
constexpr int64_t kPositionOffset = 2;

NormNames norm(const std::string& base) {
  return {base + ".weight", base + ".bias"};
}

LayerNames layer(const Architecture& a, const std::string& base, bool bias) {
  const auto matrix = [&](const std::string& name, int64_t outputs) {
    return MatrixName{.weight = base + name + ".weight",
                      .bias = bias ? base + name + ".bias" : "",
                      .outputs = outputs};
  };
  const int64_t hidden = a.hidden_size;
  LayerNames names;
  names.attention_norm = norm(base + "self_attn_layer_norm");
  names.qkv = {{matrix("self_attn.q_proj", hidden), matrix("self_attn.k_proj", hidden),
                matrix("self_attn.v_proj", hidden)},
               hidden,
               Split::columns};
  names.attention_output = {{matrix("self_attn.out_proj", hidden)}, hidden, Split::rows};
  names.feed_forward_norm = norm(base + "final_layer_norm");
  names.up = {{matrix("fc1", a.intermediate_size)}, hidden, Split::columns};
  names.down = {{matrix("fc2", hidden)}, a.intermediate_size, Split::rows};
  return names;
}

}  // namespace

Architecture describe_opt(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = config.count("hidden_size");
  a.embedding_size = config.count_or("word_embed_proj_dim", a.hidden_size);
  a.layers = config.layer_count({"num_hidden_layers"});
  a.heads = a.kv_heads = config.count("num_attention_heads");
  a.head_dim = std::max<int64_t>(1, a.hidden_size / a.heads);
  a.intermediate_size = config.count_any({"ffn_dim", "intermediate_size"});
  a.max_positions = config.count("max_position_embeddings");
  a.norm = NormKind::layer;
  a.norm_place = config.flag_or("do_layer_norm_before", true) ? NormPlace::pre : NormPlace::post;
  a.norm_epsilon = 1e-5f;
  a.positions = Positions::learned;
  a.position_offset = kPositionOffset;
  a.activation = config.activation("activation_function", "relu");
  a.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(a.head_dim)));
  a.tied_embeddings = config.flag_or("tie_word_embeddings", true);
  a.end_tokens = config.end_tokens();
  config.require("layer_norm_elementwise_affine", true);
  const bool bias = config.flag_or("enable_bias", true);

  const std::string prefix =
      config.prefix({"model.decoder.", "decoder.", ""}, "embed_tokens.weight");
  a.names.token_embedding = prefix + "embed_tokens.weight";
  a.names.position_embedding = prefix + "embed_positions.weight";
  if (a.embedding_size != a.hidden_size) {
    a.names.embedding_projection = {
        {{.weight = prefix + "project_in.weight", .bias = "", .outputs = a.hidden_size}},
        a.embedding_size};
    a.names.output_projection = {
        {{.weight = prefix + "project_out.weight", .bias = "", .outputs = a.embedding_size}},
        a.hidden_size};
  }
  if (a.norm_place == NormPlace::pre && !config.flag_or("_remove_final_layer_norm", false)) {
    a.names.final_norm = norm(prefix + "final_layer_norm");
  }
  a.names.lm_head = a.tied_embeddings ? a.names.token_embedding : "lm_head.weight";
  for (int64_t i = 0; i < a.layers; ++i) {
    a.layer_names.push_back(layer(a, prefix + "layers." + std::to_string(i) + ".", bias));
  }
  return a;
}

}  // namespace octet::model

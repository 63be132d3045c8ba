// XGLM, and fairseq's dense models: OPT's blocks with sinusoidal positions and scaled embeddings.
#include <cmath>
#include <nlohmann/json.hpp>

#include "model/families/families.h"
#include "model/families/naming.h"

namespace octet::model {

namespace {

/// Rows of the position table before position 0's.
constexpr int64_t kPositionOffset = 2;

}  // namespace

Architecture describe_xglm(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count_any({"d_model", "hidden_size"});
  a.layers = config.layer_count({"num_layers", "num_hidden_layers"});
  a.heads = a.kv_heads = config.count_any({"attention_heads", "num_attention_heads"});
  a.head_dim = equal_head_dim(a);
  a.intermediate_size = config.count("ffn_dim");
  a.max_positions = config.count_or("max_position_embeddings", 2048);
  a.norm = NormKind::layer;
  a.norm_epsilon = 1e-5f;
  a.positions = Positions::sinusoidal;
  a.position_offset = kPositionOffset;
  a.activation = config.activation("activation_function", "gelu");
  config.require("add_cross_attention", false);
  a.attention_scale = usual_attention_scale(a);
  if (config.flag_or("scale_embedding", true)) {
    a.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(a.hidden_size)));
  }
  a.end_tokens = config.end_tokens();

  const std::string prefix = config.prefix({"model.", ""}, "embed_tokens.weight");
  a.names.token_embedding = prefix + "embed_tokens.weight";
  a.names.final_norm = norm(prefix + "layer_norm", true);
  name_head(a, config, /*tied=*/true);
  name_layers(a, prefix + "layers.", [&](LayerNames& names, const std::string& base) {
    const std::string attention = base + "self_attn.";
    names.attention_norm = norm(base + "self_attn_layer_norm", true);
    names.qkv = by_columns({matrix(attention + "q_proj", a.query_size(), true),
                            matrix(attention + "k_proj", a.query_size(), true),
                            matrix(attention + "v_proj", a.query_size(), true)},
                           a.hidden_size);
    names.attention_output =
        by_rows(matrix(attention + "out_proj", a.hidden_size, true), a.query_size());
    names.feed_forward_norm = norm(base + "final_layer_norm", true);
    names.up = by_columns({matrix(base + "fc1", a.intermediate_size, true)}, a.hidden_size);
    names.down = by_rows(matrix(base + "fc2", a.hidden_size, true), a.intermediate_size);
  });
  return a;
}

}  // namespace octet::model

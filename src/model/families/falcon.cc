// Falcon in its three layouts: 7B (one key/value head, one norm, parallel blocks), 40B and 180B
// ("new decoder architecture": groups of queries, a norm for each of the parallel blocks; Falcon 2
// 11B has one), and RW (ALiBi, q/k/v head by head, sequential blocks).
#include <nlohmann/json.hpp>

#include "model/families/families.h"
#include "model/families/naming.h"
#include "model/positions.h"

namespace octet::model {

namespace {

/// Norms in front of the blocks and how the blocks follow each other.
struct Blocks {
  Residual residual = Residual::sequential;
  const char* attention_norm = "input_layernorm";
  const char* feed_forward_norm = "post_attention_layernorm";
};

Blocks read_blocks(const Config& config, bool new_architecture) {
  if (!config.flag_or("parallel_attn", true)) {
    // The new architecture is parallel by definition.
    if (new_architecture) config.require("parallel_attn", true);
    return {};
  }
  const int64_t norms = config.count_or("num_ln_in_parallel_attn", 2);
  if (new_architecture && norms == 2) return {Residual::parallel, "ln_attn", "ln_mlp"};
  return {Residual::parallel_shared, "input_layernorm", nullptr};
}

void read_positions(Architecture& a, const Config& config) {
  if (!config.flag_or("alibi", false)) {
    a.rope = config.rope(config.rotary_dim(a.head_dim));
    return;
  }
  a.positions = Positions::alibi;
  a.alibi_slopes = alibi_slopes(a.heads);
  // These were trained with the sum of product and bias scaled, not the product alone.
  for (float& slope : a.alibi_slopes) slope *= a.attention_scale;
}

}  // namespace

Architecture describe_falcon(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count_any({"hidden_size", "n_embed"});
  a.layers = config.layer_count({"num_hidden_layers", "n_layer"});
  a.heads = config.count_any({"num_attention_heads", "n_head"});
  const bool new_architecture = config.flag_or("new_decoder_architecture", false);
  const bool multi_query = config.flag_or("multi_query", true);
  a.kv_heads = new_architecture ? config.count_or("num_kv_heads", a.heads)
               : multi_query    ? 1
                                : a.heads;
  a.head_dim = equal_head_dim(a);
  a.intermediate_size = config.count_or("ffn_hidden_size", 4 * a.hidden_size);
  a.max_positions = config.count_or("max_position_embeddings", 2048);
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_epsilon", 1e-5));
  a.attention_scale = usual_attention_scale(a);
  read_positions(a, config);
  a.activation = config.activation("activation", "gelu");
  a.end_tokens = config.end_tokens();
  const bool bias = config.flag_or("bias", false);
  const Blocks blocks = read_blocks(config, new_architecture);
  a.residual = blocks.residual;

  const std::string prefix = config.prefix({"transformer.", ""}, "word_embeddings.weight");
  a.names.token_embedding = prefix + "word_embeddings.weight";
  a.names.final_norm = norm(prefix + "ln_f", true);
  name_head(a, config, /*tied=*/true);
  name_layers(a, prefix + "h.", [&](LayerNames& names, const std::string& base) {
    const std::string attention = base + "self_attention.";
    names.attention_norm = norm(base + blocks.attention_norm, true);
    if (blocks.residual != Residual::parallel_shared) {
      names.feed_forward_norm = norm(base + blocks.feed_forward_norm, true);
    }
    const bool by_group = new_architecture || !multi_query;
    MatrixName qkv = matrix(attention + "query_key_value", a.query_size() + 2 * a.kv_size(), bias);
    if (by_group) qkv = grouped(qkv, a.heads / a.kv_heads);
    names.qkv = by_columns({qkv}, a.hidden_size);
    names.attention_output =
        by_rows(matrix(attention + "dense", a.hidden_size, bias), a.query_size());
    names.up =
        by_columns({matrix(base + "mlp.dense_h_to_4h", a.intermediate_size, bias)}, a.hidden_size);
    names.down =
        by_rows(matrix(base + "mlp.dense_4h_to_h", a.hidden_size, bias), a.intermediate_size);
  });
  return a;
}

}  // namespace octet::model

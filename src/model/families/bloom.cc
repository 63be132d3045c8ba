// BLOOM: ALiBi, a norm of the embeddings, fused q/k/v head by head; blocks may add to what their
// norm made instead of what it read.
#include "model/families/families.h"
#include "model/families/naming.h"
#include "model/positions.h"

namespace octet::model {

Architecture describe_bloom(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count_any({"hidden_size", "n_embed"});
  a.layers = config.layer_count({"n_layer", "num_hidden_layers"});
  a.heads = a.kv_heads = config.count_any({"n_head", "num_attention_heads"});
  a.head_dim = equal_head_dim(a);
  a.intermediate_size = 4 * a.hidden_size;
  a.max_positions = config.count_or("seq_length", 2048);
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_epsilon", 1e-5));
  a.residual_after_norm = config.flag_or("apply_residual_connection_post_layernorm", false);
  a.positions = Positions::alibi;
  a.alibi_slopes = alibi_slopes(a.heads);
  a.activation = ops::Activation::gelu_tanh;
  a.attention_scale = usual_attention_scale(a);
  a.end_tokens = config.end_tokens();

  const std::string prefix = config.prefix({"transformer.", ""}, "word_embeddings.weight");
  a.names.token_embedding = prefix + "word_embeddings.weight";
  a.names.embedding_norm = norm(prefix + "word_embeddings_layernorm", true);
  a.names.final_norm = norm(prefix + "ln_f", true);
  name_head(a, config, /*tied=*/true);
  name_layers(a, prefix + "h.", [&](LayerNames& names, const std::string& base) {
    const std::string attention = base + "self_attention.";
    names.attention_norm = norm(base + "input_layernorm", true);
    names.qkv =
        by_columns({grouped(matrix(attention + "query_key_value", 3 * a.query_size(), true), 1)},
                   a.hidden_size);
    names.attention_output =
        by_rows(matrix(attention + "dense", a.hidden_size, true), a.query_size());
    names.feed_forward_norm = norm(base + "post_attention_layernorm", true);
    names.up =
        by_columns({matrix(base + "mlp.dense_h_to_4h", a.intermediate_size, true)}, a.hidden_size);
    names.down =
        by_rows(matrix(base + "mlp.dense_4h_to_h", a.hidden_size, true), a.intermediate_size);
  });
  return a;
}

}  // namespace octet::model

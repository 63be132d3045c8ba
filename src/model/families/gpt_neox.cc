// GPT-NeoX (Pythia): attention and feed-forward side by side, each behind its own layer norm; fused
// q/k/v head by head; rotary positions in a quarter of a head.
#include "model/families/families.h"
#include "model/families/naming.h"

namespace octet::model {

Architecture describe_gpt_neox(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count("hidden_size");
  a.layers = config.layer_count({"num_hidden_layers"});
  a.heads = a.kv_heads = config.count("num_attention_heads");
  a.head_dim = equal_head_dim(a);
  a.intermediate_size = config.count("intermediate_size");
  a.max_positions = config.count_or("max_position_embeddings", 2048);
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_eps", 1e-5));
  a.residual =
      config.flag_or("use_parallel_residual", true) ? Residual::parallel : Residual::sequential;
  a.rope = config.rope(config.rotary_dim(a.head_dim, 0.25, "rotary_pct"), 10000, "rotary_emb_base");
  a.activation = config.activation("hidden_act", "gelu");
  a.attention_scale = usual_attention_scale(a);
  a.end_tokens = config.end_tokens();
  const bool bias = config.flag_or("attention_bias", true);

  const std::string prefix = config.prefix({"gpt_neox.", ""}, "embed_in.weight");
  a.names.token_embedding = prefix + "embed_in.weight";
  a.names.final_norm = norm(prefix + "final_layer_norm", true);
  name_head(a, config, /*tied=*/false, "embed_out");
  name_layers(a, prefix + "layers.", [&](LayerNames& names, const std::string& base) {
    names.attention_norm = norm(base + "input_layernorm", true);
    names.qkv = by_columns(
        {grouped(matrix(base + "attention.query_key_value", 3 * a.query_size(), bias), 1)},
        a.hidden_size);
    names.attention_output =
        by_rows(matrix(base + "attention.dense", a.hidden_size, bias), a.query_size());
    names.feed_forward_norm = norm(base + "post_attention_layernorm", true);
    names.up =
        by_columns({matrix(base + "mlp.dense_h_to_4h", a.intermediate_size, true)}, a.hidden_size);
    names.down =
        by_rows(matrix(base + "mlp.dense_4h_to_h", a.hidden_size, true), a.intermediate_size);
  });
  return a;
}

}  // namespace octet::model

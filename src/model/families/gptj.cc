// GPT-J: attention and feed-forward side by side behind one layer norm; rotary positions in
// neighbouring pairs; a bias on the head.
#include "model/families/families.h"
#include "model/families/naming.h"

namespace octet::model {

Architecture describe_gptj(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count_any({"n_embd", "hidden_size"});
  a.layers = config.layer_count({"n_layer", "num_hidden_layers"});
  a.heads = a.kv_heads = config.count_any({"n_head", "num_attention_heads"});
  a.head_dim = equal_head_dim(a);
  a.intermediate_size = config.count_or("n_inner", 4 * a.hidden_size);
  a.max_positions = config.count_any({"n_positions", "max_position_embeddings"});
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_epsilon", 1e-5));
  a.residual = Residual::parallel_shared;
  a.rope = config.rope(config.count_or("rotary_dim", a.head_dim));
  a.rope.interleaved = true;
  a.activation = config.activation("activation_function", "gelu_new");
  a.attention_scale = usual_attention_scale(a);
  a.end_tokens = config.end_tokens();

  const std::string prefix = config.prefix({"transformer.", ""}, "wte.weight");
  a.names.token_embedding = prefix + "wte.weight";
  a.names.final_norm = norm(prefix + "ln_f", true);
  name_head(a, config, /*tied=*/false);
  a.names.lm_head_bias = "lm_head.bias";
  name_layers(a, prefix + "h.", [&](LayerNames& names, const std::string& base) {
    names.attention_norm = norm(base + "ln_1", true);
    names.qkv = by_columns({matrix(base + "attn.q_proj", a.query_size(), false),
                            matrix(base + "attn.k_proj", a.query_size(), false),
                            matrix(base + "attn.v_proj", a.query_size(), false)},
                           a.hidden_size);
    names.attention_output =
        by_rows(matrix(base + "attn.out_proj", a.hidden_size, false), a.query_size());
    names.up = by_columns({matrix(base + "mlp.fc_in", a.intermediate_size, true)}, a.hidden_size);
    names.down = by_rows(matrix(base + "mlp.fc_out", a.hidden_size, true), a.intermediate_size);
  });
  return a;
}

}  // namespace octet::model

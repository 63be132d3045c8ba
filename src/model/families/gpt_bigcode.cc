// GPT-BigCode (StarCoder, SantaCoder): GPT-2 with one key and value head for all queries.
#include <nlohmann/json.hpp>

#include "model/families/families.h"
#include "model/families/naming.h"

namespace octet::model {

Architecture describe_gpt_bigcode(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count_any({"n_embd", "hidden_size"});
  a.layers = config.layer_count({"n_layer", "num_hidden_layers"});
  a.heads = config.count_any({"n_head", "num_attention_heads"});
  const bool multi_query = config.flag_or("multi_query", true);
  a.kv_heads = multi_query ? 1 : a.heads;
  a.head_dim = equal_head_dim(a);
  a.intermediate_size = config.count_or("n_inner", 4 * a.hidden_size);
  a.max_positions = config.count_any({"n_positions", "max_position_embeddings"});
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_epsilon", 1e-5));
  a.positions = Positions::learned;
  a.activation = config.activation("activation_function", "gelu_pytorch_tanh");
  config.require("add_cross_attention", false);
  a.attention_scale = config.flag_or("scale_attn_weights", true) ? usual_attention_scale(a) : 1;
  a.end_tokens = config.end_tokens();

  const std::string prefix = config.prefix({"transformer.", ""}, "wte.weight");
  a.names.token_embedding = prefix + "wte.weight";
  a.names.position_embedding = prefix + "wpe.weight";
  a.names.final_norm = norm(prefix + "ln_f", true);
  name_head(a, config, /*tied=*/true);
  name_layers(a, prefix + "h.", [&](LayerNames& names, const std::string& base) {
    names.attention_norm = norm(base + "ln_1", true);
    const MatrixName qkv = matrix(base + "attn.c_attn", a.query_size() + 2 * a.kv_size(), true);
    names.qkv = by_columns({multi_query ? qkv : grouped(qkv, 1)}, a.hidden_size);
    names.attention_output =
        by_rows(matrix(base + "attn.c_proj", a.hidden_size, true), a.query_size());
    names.feed_forward_norm = norm(base + "ln_2", true);
    names.up = by_columns({matrix(base + "mlp.c_fc", a.intermediate_size, true)}, a.hidden_size);
    names.down = by_rows(matrix(base + "mlp.c_proj", a.hidden_size, true), a.intermediate_size);
  });
  return a;
}

}  // namespace octet::model

// MPT: ALiBi, norms and linear layers without biases, clipped queries, keys and values.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/families/families.h"
#include "model/families/naming.h"

namespace octet::model {

namespace {

/// The powers of 2^(−bias_max / 2^k) for the next power of two that has enough; when there are
/// fewer heads, every second of them first.
std::vector<float> slopes(int64_t heads, double bias_max) {
  int64_t power = 1;
  while (power < heads) power *= 2;
  std::vector<float> all;
  for (int64_t i = 1; i <= power; ++i) {
    all.push_back(static_cast<float>(
        std::exp2(-static_cast<double>(i) * bias_max / static_cast<double>(power))));
  }
  if (power == heads) return all;
  std::vector<float> slopes;
  for (size_t i = 1; i < all.size(); i += 2) slopes.push_back(all[i]);
  for (size_t i = 0; i < all.size(); i += 2) slopes.push_back(all[i]);
  slopes.resize(static_cast<size_t>(heads));
  return slopes;
}

void read_attention(Architecture& a, const Config& config) {
  const nlohmann::json options =
      config.has("attn_config") ? config.json().at("attn_config") : nlohmann::json::object();
  const Config attention(options, config.file() + ": attn_config",
                         [](const std::string&) { return true; });
  attention.require("alibi", true);
  attention.require("attn_type", "multihead_attention");
  attention.require("prefix_lm", false);
  attention.require("qk_ln", false);
  attention.require("attn_uses_sequence_id", false);
  attention.require("rope", false);
  a.positions = Positions::alibi;
  a.alibi_slopes = slopes(a.heads, attention.number_or("alibi_bias_max", 8));
  a.attention_scale =
      static_cast<float>(attention.number_or("softmax_scale", usual_attention_scale(a)));
  a.qkv_clip = static_cast<float>(attention.number_or("clip_qkv", 0));
}

}  // namespace

Architecture describe_mpt(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count_any({"d_model", "hidden_size"});
  a.layers = config.layer_count({"n_layers", "num_hidden_layers"});
  a.heads = a.kv_heads = config.count_any({"n_heads", "num_attention_heads"});
  a.head_dim = equal_head_dim(a);
  a.intermediate_size = static_cast<int64_t>(config.number_or("expansion_ratio", 4) *
                                             static_cast<double>(a.hidden_size));
  if (a.intermediate_size < 1) fail("{}: \"expansion_ratio\" is too small", config.file());
  a.max_positions = config.count_or("max_seq_len", 2048);
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_epsilon", 1e-5));
  a.activation = ops::Activation::gelu;
  read_attention(a, config);
  config.require("no_bias", true);
  config.require("logit_scale", nullptr);
  if (const std::string norm = config.text_or("norm_type", "low_precision_layernorm");
      norm != "low_precision_layernorm" && norm != "layernorm") {
    fail("{}: norm_type \"{}\" is not supported (known: layernorm, low_precision_layernorm)",
         config.file(), norm);
  }
  a.end_tokens = config.end_tokens();

  const std::string prefix = config.prefix({"transformer.", ""}, "wte.weight");
  a.names.token_embedding = prefix + "wte.weight";
  a.names.final_norm = norm(prefix + "norm_f", false);
  name_head(a, config, /*tied=*/true);
  name_layers(a, prefix + "blocks.", [&](LayerNames& names, const std::string& base) {
    names.attention_norm = norm(base + "norm_1", false);
    names.qkv = by_columns({matrix(base + "attn.Wqkv", 3 * a.query_size(), false)}, a.hidden_size);
    names.attention_output =
        by_rows(matrix(base + "attn.out_proj", a.hidden_size, false), a.query_size());
    names.feed_forward_norm = norm(base + "norm_2", false);
    names.up =
        by_columns({matrix(base + "ffn.up_proj", a.intermediate_size, false)}, a.hidden_size);
    names.down = by_rows(matrix(base + "ffn.down_proj", a.hidden_size, false), a.intermediate_size);
  });
  return a;
}

}  // namespace octet::model

// T5 1.0 and 1.1: an encoder and a decoder, RMS norms, learned biases for ranges of distances,
// unscaled scores, and a feed-forward output too wide for 16 bits.
#include "base/error.h"
#include "model/families/families.h"
#include "model/families/naming.h"

namespace octet::model {

namespace {

/// "relu", or "gated-gelu", which means the form with tanh.
void read_feed_forward(Architecture& a, const Config& config) {
  constexpr std::string_view kKey = "feed_forward_proj";
  const std::string text = config.text_or(kKey, "relu");
  constexpr std::string_view kGated = "gated-";
  a.gated = text.starts_with(kGated);
  const std::string activation = a.gated ? text.substr(kGated.size()) : text;
  a.activation = config.activation_named(text == "gated-gelu" ? "gelu_new" : activation, kKey);
}

LinearNames attention_output(const Architecture& a, const std::string& base) {
  return by_rows(matrix(base + "o", a.hidden_size, false), a.query_size());
}

/// The self-attention and feed-forward blocks, `feed_forward` being the latter's place.
void name_blocks(const Architecture& a, LayerNames& names, const std::string& base,
                 const std::string& feed_forward) {
  const std::string attention = base + "layer.0.SelfAttention.";
  names.attention_norm = norm(base + "layer.0.layer_norm", false);
  names.qkv = by_columns({matrix(attention + "q", a.query_size(), false),
                          matrix(attention + "k", a.query_size(), false),
                          matrix(attention + "v", a.query_size(), false)},
                         a.hidden_size);
  names.attention_output = attention_output(a, attention);
  const std::string dense = base + feed_forward + "DenseReluDense.";
  names.feed_forward_norm = norm(base + feed_forward + "layer_norm", false);
  names.up = by_columns(a.gated ? std::vector{matrix(dense + "wi_0", a.intermediate_size, false),
                                              matrix(dense + "wi_1", a.intermediate_size, false)}
                                : std::vector{matrix(dense + "wi", a.intermediate_size, false)},
                        a.hidden_size);
  names.down = by_rows(matrix(dense + "wo", a.hidden_size, false), a.intermediate_size);
  names.down.storage = Storage::thirty_two_bit;
}

void name_cross_attention(const Architecture& a, LayerNames& names, const std::string& base) {
  const std::string attention = base + "layer.1.EncDecAttention.";
  names.cross_norm = norm(base + "layer.1.layer_norm", false);
  names.cross_query = by_columns({matrix(attention + "q", a.query_size(), false)}, a.hidden_size);
  names.cross_key_value = by_columns({matrix(attention + "k", a.query_size(), false),
                                      matrix(attention + "v", a.query_size(), false)},
                                     a.hidden_size);
  names.cross_output = attention_output(a, attention);
}

/// 1.0 scales what its head, the shared embedding, reads. 1.1 does not; its files have a head of
/// their own unless transformers left it out.
void name_t5_head(Architecture& a, const Config& config) {
  const bool tied = config.flag_or("tie_word_embeddings", true);
  const bool scaled = config.flag_or("scale_decoder_outputs", tied);
  a.tied_embeddings = scaled || !config.has_tensor("lm_head.weight");
  a.names.lm_head = a.tied_embeddings ? a.names.token_embedding : "lm_head.weight";
  if (scaled) a.head_scale = 1.0f / std::sqrt(static_cast<float>(a.hidden_size));
}

}  // namespace

Architecture describe_t5(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count("d_model");
  const int64_t encoder_layers = config.layer_count({"num_layers"});
  a.layers = config.layer_count({"num_decoder_layers", "num_layers"});
  a.heads = a.kv_heads = config.count("num_heads");
  a.head_dim = config.count("d_kv");
  a.intermediate_size = config.count("d_ff");
  a.max_positions = config.count_or("n_positions", 512);
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_epsilon", 1e-6));
  a.positions = Positions::relative;
  a.relative_buckets = config.count_or("relative_attention_num_buckets", 32);
  a.relative_reach = config.count_or("relative_attention_max_distance", 128);
  if (a.relative_buckets < 4 || a.relative_buckets / 2 >= a.relative_reach ||
      a.relative_reach > 1 << 20) {
    fail("{}: {} buckets for distances up to {}", config.file(), a.relative_buckets,
         a.relative_reach);
  }
  read_feed_forward(a, config);
  a.attention_scale = 1;
  a.end_tokens = config.end_tokens();
  a.decoder_start = static_cast<int32_t>(config.number_or("decoder_start_token_id", 0));

  a.names.token_embedding = "shared.weight";
  a.names.final_norm = norm("decoder.final_layer_norm", false);
  a.names.encoder_norm = norm("encoder.final_layer_norm", false);
  constexpr std::string_view kBias = "block.0.layer.0.SelfAttention.relative_attention_bias.weight";
  a.names.position_bias = "decoder." + std::string(kBias);
  a.names.encoder_position_bias = "encoder." + std::string(kBias);
  name_t5_head(a, config);
  for (int64_t i = 0; i < encoder_layers; ++i) {
    name_blocks(a, a.encoder_layer_names.emplace_back(), "encoder.block." + std::to_string(i) + ".",
                "layer.1.");
  }
  name_layers(a, "decoder.block.", [&](LayerNames& names, const std::string& base) {
    name_blocks(a, names, base, "layer.2.");
    name_cross_attention(a, names, base);
  });
  return a;
}

}  // namespace octet::model

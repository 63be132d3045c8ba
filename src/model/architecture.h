// What a decoder is made of, as data: the one forward pass is driven by this description.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "linear/layer_kind.h"
#include "ops/activation/activation.h"

namespace octet::model {

enum class NormKind : uint8_t { layer, rms };
/// pre: x + f(norm(x)); post: norm(x + f(x)).
enum class NormPlace : uint8_t { pre, post };
/// sinusoidal is learned's table, computed; alibi adds to the scores a slope times the distance,
/// relative a learned number for each range of distances.
enum class Positions : uint8_t { learned, sinusoidal, rope, alibi, relative };
/// sequential: h = x + attention(norm(x)), h + feed_forward(norm'(h));
/// parallel: x + attention(norm(x)) + feed_forward(norm'(x)); parallel_shared: with norm for norm'.
enum class Residual : uint8_t { sequential, parallel, parallel_shared };
/// Norm of queries and keys before their positions: of each head, or of the whole row at once.
enum class QueryKeyNorm : uint8_t { none, head, row };

/// Rotary embedding: pair i of a head turns by position · inverse_frequencies[i] radians.
struct Rope {
  int64_t rotary_dim = 0;
  bool interleaved = false;
  std::vector<float> inverse_frequencies;  ///< [rotary_dim / 2], scaling already applied
  float attention_factor = 1;              ///< multiplies cos and sin (yarn, longrope)
  /// Where the context is longer than short_context, these replace inverse_frequencies (longrope),
  /// or the base grows with the context by dynamic_factor (dynamic NTK).
  int64_t short_context = 0;
  std::vector<float> long_inverse_frequencies;
  double dynamic_factor = 0;  ///< 0: the base stays
  double theta = 0;           ///< the base that grows

  /// [rotary_dim / 2] for a context of that many positions. It is the context's size and not how
  /// far a sequence has come that decides, so keys of earlier positions stay valid and a prompt's
  /// chunks give the same bits. What has to be computed is kept in `storage`.
  std::span<const float> frequencies(int64_t context, std::vector<float>& storage) const;
};

/// A weight matrix of the checkpoint that a linear layer is made of; several are stacked along the
/// outputs (q, k, v into one product).
struct MatrixName {
  std::string weight;
  std::string bias;         ///< empty: none
  bool transposed = false;  ///< stored [inputs, outputs] (GPT-2's Conv1D)
  int64_t outputs = 0;
  /// > 0: a fused q/k/v whose rows are stored in groups of this many query heads, their key head
  /// and their value head (1: head by head). 0: all queries, all keys, all values.
  int64_t group_queries = 0;
};

/// How ranks of a tensor-parallel group would share a layer.
enum class Split : uint8_t { columns, rows, replicated };

/// What a linear layer is stored in: what the user asks for, or at least so many bits.
enum class Storage : uint8_t { as_asked, sixteen_bit, thirty_two_bit };

/// One fused linear layer: its parts share the input, hence the quantised rows and outliers.
struct LinearNames {
  std::vector<MatrixName> parts;  ///< none: there is no such layer
  int64_t inputs = 0;
  Split split = Split::replicated;
  Storage storage = Storage::as_asked;

  int64_t outputs() const;
};

struct NormNames {
  std::string weight;  ///< empty: no norm here
  std::string bias;    ///< empty: none
};

struct FeedForwardNames {
  LinearNames up;  ///< gate and up stacked when gated
  LinearNames down;
};

/// Names of one layer's weights.
struct LayerNames {
  NormNames attention_norm;
  LinearNames qkv;
  std::vector<std::string> query_norm;  ///< weights, one for all heads or one for each
  std::vector<std::string> key_norm;
  bool query_key_norm_bias = false;
  LinearNames attention_output;
  NormNames attention_output_norm;  ///< of what attention adds to the residual stream
  NormNames cross_norm;             ///< of a decoder that also attends to an encoder's output
  LinearNames cross_query;
  LinearNames cross_key_value;  ///< its input is the encoder's output
  LinearNames cross_output;
  NormNames feed_forward_norm;
  LinearNames up;  ///< gate and up stacked when gated
  LinearNames down;
  LinearNames router;  ///< [experts]; then up and down are absent
  std::vector<FeedForwardNames> experts;
  NormNames feed_forward_output_norm;
};

/// The linear layers of a layer, in the order they are computed.
enum class LinearSlot : uint8_t {
  qkv,
  attention_output,
  cross_key_value,
  cross_query,
  cross_output,
  router,
  up,
  down
};

/// One linear layer of a layer.
struct LinearId {
  LinearSlot slot = LinearSlot::qkv;
  int32_t expert = -1;  ///< of up and down, which one's; -1: not an expert's

  friend bool operator==(const LinearId&, const LinearId&) = default;
};

/// "qkv", "experts.2.up".
std::string name(LinearId id);

/// None of a router.
std::optional<linear::LayerKind> kind_of(LinearSlot slot);

/// Those that a layer has, in the order they are computed.
std::vector<LinearId> linears_of(const LayerNames& layer);

/// That member of a Layer or of LayerNames.
template <typename PerLayer>
auto& linear_of(PerLayer& layer, LinearId id) {
  const auto expert = static_cast<size_t>(id.expert);
  switch (id.slot) {
    case LinearSlot::qkv:
      return layer.qkv;
    case LinearSlot::attention_output:
      return layer.attention_output;
    case LinearSlot::cross_key_value:
      return layer.cross_key_value;
    case LinearSlot::cross_query:
      return layer.cross_query;
    case LinearSlot::cross_output:
      return layer.cross_output;
    case LinearSlot::router:
      return layer.router;
    case LinearSlot::up:
      return id.expert < 0 ? layer.up : layer.experts[expert].up;
    case LinearSlot::down:
      break;
  }
  return id.expert < 0 ? layer.down : layer.experts[expert].down;
}

/// Names of everything outside the layers.
struct ModelNames {
  std::string token_embedding;
  std::string position_embedding;    ///< empty: none
  LinearNames embedding_projection;  ///< no parts: none (OPT-350M has one)
  NormNames embedding_norm;
  NormNames final_norm;
  NormNames encoder_norm;             ///< of the encoder's output
  std::string position_bias;          ///< [relative_buckets, heads], or empty
  std::string encoder_position_bias;  ///< likewise, for the encoder
  LinearNames output_projection;      ///< no parts: none (OPT-350M has one)
  std::string lm_head;                ///< the token embedding's name when tied
  std::string lm_head_bias;           ///< empty: none
};

/// The stacks of layers of a model; most have a decoder only.
enum class Stack : uint8_t { encoder, decoder };
inline constexpr std::array kStacks = {Stack::encoder, Stack::decoder};

struct Architecture {
  std::string family;  ///< Hugging Face model_type
  int64_t vocabulary_size = 0;
  int64_t embedding_size = 0;  ///< width of the token embedding; hidden_size but for OPT-350M
  int64_t hidden_size = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate_size = 0;
  int64_t max_positions = 0;  ///< what the model was trained for
  NormKind norm = NormKind::rms;
  NormPlace norm_place = NormPlace::pre;
  float norm_epsilon = 1e-5f;
  float norm_weight_offset = 0;  ///< added to the weights of RMS norms (Gemma: 1)
  QueryKeyNorm query_key_norm = QueryKeyNorm::none;
  Residual residual = Residual::sequential;
  bool residual_after_norm = false;  ///< blocks add to norm(x) instead of x (a BLOOM option)
  Positions positions = Positions::rope;
  int64_t position_offset = 0;  ///< learned positions start at this row of the table (OPT: 2)
  Rope rope;
  std::vector<float> alibi_slopes;  ///< [heads]
  int64_t relative_buckets = 0;     ///< of Positions::relative
  int64_t relative_reach = 0;       ///< distances from here on share a bucket
  ops::Activation activation = ops::Activation::silu;
  bool gated = false;
  int64_t experts_per_token = 0;             ///< of each layer's experts; 0: there are none
  float attention_scale = 0;                 ///< multiplies q·k
  std::vector<float> layer_attention_scale;  ///< per layer, when they differ (GPT-2 option)
  float attention_softcap = 0;               ///< c: scores become c·tanh(score/c); 0: none
  float qkv_clip = 0;  ///< queries, keys, values are clamped to ±this; 0: none
  /// Positions each layer's attention sees, the row's own included; 0: all. Empty: all, everywhere.
  std::vector<int64_t> layer_windows;
  float embedding_scale = 1;
  float head_scale = 1;  ///< multiplies what lm_head reads
  float logit_softcap = 0;
  bool tied_embeddings = false;
  std::vector<int32_t> end_tokens;
  int32_t decoder_start = 0;  ///< the decoder's first token beside an encoder

  ModelNames names;
  std::vector<LayerNames> layer_names;          ///< [layers]
  std::vector<LayerNames> encoder_layer_names;  ///< empty: there is no encoder

  bool encoder_decoder() const { return !encoder_layer_names.empty(); }
  const std::vector<LayerNames>& names_of(Stack stack) const {
    return stack == Stack::encoder ? encoder_layer_names : layer_names;
  }
  int64_t query_size() const { return heads * head_dim; }
  int64_t kv_size() const { return kv_heads * head_dim; }
  bool has_position_table() const {
    return positions == Positions::learned || positions == Positions::sinusoidal;
  }
  /// The matrices [vocabulary_size, embedding_size] before and after the layers.
  LinearNames token_embedding() const;
  LinearNames lm_head() const;
  /// The lm_head is the token embedding, and nothing more.
  bool head_is_embedding() const {
    return names.lm_head == names.token_embedding && names.lm_head_bias.empty();
  }
  /// Parameters of the model, tied ones counted once; `linear` counts those in the layers' linear
  /// layers (what --method llm-int8 turns to int8).
  int64_t parameters() const;
  int64_t linear_parameters() const;
  /// Of a layer's norms, those of queries and keys among them; of the norms beside the layers.
  int64_t norm_parameters(const LayerNames& layer) const;
  int64_t norm_parameters(const NormNames& of_hidden) const;
};

}  // namespace octet::model

// What a decoder is made of, as data: the one forward pass is driven by this description.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/activation/activation.h"

namespace octet::model {

enum class NormKind : uint8_t { layer, rms };
/// pre: x + f(norm(x)); post: norm(x + f(x)).
enum class NormPlace : uint8_t { pre, post };
enum class Positions : uint8_t { learned, rope };

/// Rotary embedding: pair i of a head turns by position · inverse_frequencies[i] radians.
struct Rope {
  int64_t rotary_dim = 0;
  bool interleaved = false;
  std::vector<float> inverse_frequencies;  ///< [rotary_dim / 2], scaling already applied
  float attention_factor = 1;              ///< multiplies cos and sin (yarn)
};

/// A weight matrix of the checkpoint that a linear layer is made of; several are stacked along the
/// outputs (q, k, v into one product).
struct MatrixName {
  std::string weight;
  std::string bias;         ///< empty: none
  bool transposed = false;  ///< stored [inputs, outputs] (GPT-2's Conv1D)
  int64_t outputs = 0;
};

/// How ranks of a tensor-parallel group would share a layer.
enum class Split : uint8_t { columns, rows, replicated };

/// One fused linear layer: its parts share the input, hence the quantised rows and outliers.
struct LinearNames {
  std::vector<MatrixName> parts;
  int64_t inputs = 0;
  Split split = Split::replicated;

  int64_t outputs() const;
};

struct NormNames {
  std::string weight;  ///< empty: no norm here
  std::string bias;    ///< empty: none
};

/// Names of one layer's weights.
struct LayerNames {
  NormNames attention_norm;
  LinearNames qkv;
  LinearNames attention_output;
  NormNames feed_forward_norm;
  LinearNames up;  ///< gate and up stacked when gated
  LinearNames down;
};

/// Names of everything outside the layers.
struct ModelNames {
  std::string token_embedding;
  std::string position_embedding;    ///< empty: none
  LinearNames embedding_projection;  ///< no parts: none (OPT-350M has one)
  NormNames final_norm;
  LinearNames output_projection;  ///< no parts: none (OPT-350M has one)
  std::string lm_head;            ///< the token embedding's name when tied
};

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
  Positions positions = Positions::rope;
  int64_t position_offset = 0;  ///< learned positions start at this row of the table (OPT: 2)
  Rope rope;
  ops::Activation activation = ops::Activation::silu;
  bool gated = false;
  float attention_scale = 0;                 ///< multiplies q·k
  std::vector<float> layer_attention_scale;  ///< per layer, when they differ (GPT-2 option)
  bool tied_embeddings = false;
  std::vector<int32_t> end_tokens;

  ModelNames names;
  std::vector<LayerNames> layer_names;  ///< [layers]

  int64_t query_size() const { return heads * head_dim; }
  int64_t kv_size() const { return kv_heads * head_dim; }
  /// Parameters of the model, tied ones counted once; `linear` counts those in the layers' linear
  /// layers (what --method llm-int8 turns to int8).
  int64_t parameters() const;
  int64_t linear_parameters() const;
};

}  // namespace octet::model

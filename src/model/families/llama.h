// What LLaMA's descendants share with it: sizes, the order of the blocks and the weight names.
#pragma once

#include <functional>
#include <string>

#include "model/config.h"

namespace octet::model {

/// Where they differ before anything else is changed.
struct LlamaVariant {
  bool qkv_bias = false;
  bool output_bias = false;  ///< of the attention's output
  bool mlp_bias = false;
  bool tied_embeddings = false;  ///< where the config does not say
  double rotary_factor = 1;      ///< likewise, the share of a head that turns
  int64_t head_dim = 0;          ///< likewise; 0: hidden_size / heads
  double rope_theta = 10000;     ///< likewise
};

/// RMS norm, rotary positions, grouped query heads, gated SiLU, under LLaMA's names.
Architecture llama_like(const Config& config, const LlamaVariant& variant);

/// Calls change(names, "model.layers.<index>.") for every layer of such a description.
void change_layers(Architecture& a, const Config& config,
                   const std::function<void(LayerNames&, const std::string&)>& change);

/// Architecture::layer_windows: sliding_window in the layers that layer_types lists as
/// sliding_attention; without layer_types in those for which slides(index). Without sliding_window
/// the window is `otherwise`; 0 or null: none.
std::vector<int64_t> layer_windows(const Config& config, int64_t layers, int64_t otherwise,
                                   const std::function<bool(int64_t)>& slides);

}  // namespace octet::model

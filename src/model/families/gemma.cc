// Gemma and Gemma 2: scaled embeddings, norms that multiply by 1 + weight; Gemma 2 also caps scores
// and logits, normalises what each block adds, and slides its window in every other layer.
#include <cmath>
#include <nlohmann/json.hpp>

#include "model/families/families.h"
#include "model/families/llama.h"
#include "model/families/naming.h"

namespace octet::model {

namespace {

Architecture gemma(const Config& config) {
  const bool bias = config.flag_or("attention_bias", false);
  Architecture a = llama_like(
      config, {.qkv_bias = bias, .output_bias = bias, .tied_embeddings = true, .head_dim = 256});
  config.require("use_bidirectional_attention", false);
  // In GGUF files the norms' weights are the sums already.
  a.norm_weight_offset = static_cast<float>(config.number_or("norm_weight_offset", 1));
  a.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(a.hidden_size)));
  a.activation = config.activation("hidden_activation", "gelu_pytorch_tanh");
  return a;
}

}  // namespace

Architecture describe_gemma(const Config& config) {
  Architecture a = gemma(config);
  if (!config.has("hidden_activation")) {
    // The first files said gelu and meant the form with tanh, which the models were trained with.
    const std::string activation = config.text_or("hidden_act", "gelu");
    if (activation != "gelu") a.activation = config.activation("hidden_act", activation);
  }
  return a;
}

Architecture describe_gemma2(const Config& config) {
  Architecture a = gemma(config);
  a.attention_scale =
      static_cast<float>(1.0 / std::sqrt(config.number_or("query_pre_attn_scalar", 256)));
  a.attention_softcap = static_cast<float>(config.number_or_off("attn_logit_softcapping", 50));
  a.logit_softcap = static_cast<float>(config.number_or_off("final_logit_softcapping", 30));
  a.layer_windows = layer_windows(config, a.layers, 4096, [](int64_t i) { return i % 2 == 0; });
  change_layers(a, config, [](LayerNames& names, const std::string& base) {
    names.attention_output_norm = norm(base + "post_attention_layernorm", false);
    names.feed_forward_norm = norm(base + "pre_feedforward_layernorm", false);
    names.feed_forward_output_norm = norm(base + "post_feedforward_layernorm", false);
  });
  return a;
}

}  // namespace octet::model

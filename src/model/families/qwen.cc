// Qwen2 and Qwen3: LLaMA with biases on q, k and v, or with norms of each query and key head.
#include "model/families/families.h"
#include "model/families/llama.h"

namespace octet::model {

namespace {

/// The first max_window_layers layers see everything.
std::vector<int64_t> windows(const Config& config, int64_t layers) {
  if (!config.flag_or("use_sliding_window", false)) return {};
  const auto full_layers = static_cast<int64_t>(config.number_or("max_window_layers", 28));
  return layer_windows(config, layers, 4096, [&](int64_t i) { return i >= full_layers; });
}

}  // namespace

Architecture describe_qwen2(const Config& config) {
  Architecture a = llama_like(config, {.qkv_bias = true});
  a.layer_windows = windows(config, a.layers);
  return a;
}

Architecture describe_qwen3(const Config& config) {
  const bool bias = config.flag_or("attention_bias", false);
  Architecture a = llama_like(config, {.qkv_bias = bias, .output_bias = bias, .head_dim = 128});
  a.layer_windows = windows(config, a.layers);
  a.query_key_norm = QueryKeyNorm::head;
  change_layers(a, config, [](LayerNames& names, const std::string& base) {
    names.query_norm = {base + "self_attn.q_norm"};
    names.key_norm = {base + "self_attn.k_norm"};
  });
  return a;
}

}  // namespace octet::model

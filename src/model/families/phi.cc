// Phi: attention and feed-forward side by side behind one layer norm, rotary positions in part of a
// head, biases everywhere. Phi-3: LLaMA with fused q/k/v and gate/up.
#include "model/families/families.h"
#include "model/families/llama.h"
#include "model/families/naming.h"

namespace octet::model {

Architecture describe_phi(const Config& config) {
  Architecture a = llama_like(config, {.qkv_bias = true, .rotary_factor = 0.5});
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_eps", 1e-5));
  a.residual = Residual::parallel_shared;
  a.activation = config.activation("hidden_act", "gelu_new");
  a.gated = false;
  const std::string prefix = config.prefix({"model.", ""}, "embed_tokens.weight");
  a.names.final_norm = norm(prefix + "final_layernorm", true);
  a.names.lm_head_bias = "lm_head.bias";
  const bool head_norms = config.flag_or("qk_layernorm", false);
  if (head_norms) a.query_key_norm = QueryKeyNorm::head;
  change_layers(a, config, [&](LayerNames& names, const std::string& base) {
    names.attention_norm = norm(base + "input_layernorm", true);
    if (head_norms) {
      names.query_norm = {base + "self_attn.q_layernorm"};
      names.key_norm = {base + "self_attn.k_layernorm"};
      names.query_key_norm_bias = true;
    }
    names.attention_output =
        by_rows(matrix(base + "self_attn.dense", a.hidden_size, true), a.query_size());
    names.feed_forward_norm = {};
    names.up = by_columns({matrix(base + "mlp.fc1", a.intermediate_size, true)}, a.hidden_size);
    names.down = by_rows(matrix(base + "mlp.fc2", a.hidden_size, true), a.intermediate_size);
  });
  return a;
}

Architecture describe_phi3(const Config& config) {
  Architecture a = llama_like(config, {});
  a.norm_epsilon = static_cast<float>(config.number_or("rms_norm_eps", 1e-5));
  a.layer_windows = layer_windows(config, a.layers, 0, [](int64_t) { return true; });
  change_layers(a, config, [&](LayerNames& names, const std::string& base) {
    names.qkv =
        by_columns({matrix(base + "self_attn.qkv_proj", a.query_size() + 2 * a.kv_size(), false)},
                   a.hidden_size);
    names.up = by_columns({matrix(base + "mlp.gate_up_proj", 2 * a.intermediate_size, false)},
                          a.hidden_size);
  });
  return a;
}

}  // namespace octet::model

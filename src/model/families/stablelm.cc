// StableLM: LLaMA with layer norms and rotary positions in part of a head; the 12B normalises each
// query and key head and puts attention and feed-forward side by side.
#include <fmt/core.h>

#include "model/families/families.h"
#include "model/families/llama.h"
#include "model/families/naming.h"

namespace octet::model {

Architecture describe_stablelm(const Config& config) {
  Architecture a = llama_like(
      config, {.qkv_bias = config.flag_or("use_qkv_bias", false), .rotary_factor = 0.25});
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_eps", 1e-5));
  const bool parallel = config.flag_or("use_parallel_residual", false);
  if (parallel) a.residual = Residual::parallel_shared;
  const bool head_norms = config.flag_or("qk_layernorm", false);
  if (head_norms) a.query_key_norm = QueryKeyNorm::head;
  a.names.final_norm.bias = config.prefix({"model.", ""}, "embed_tokens.weight") + "norm.bias";
  change_layers(a, config, [&](LayerNames& names, const std::string& base) {
    names.attention_norm = norm(base + "input_layernorm", true);
    names.feed_forward_norm =
        parallel ? NormNames{} : norm(base + "post_attention_layernorm", true);
    if (!head_norms) return;
    const auto each = [&](const std::string& module, int64_t heads) {
      std::vector<std::string> norms;
      for (int64_t h = 0; h < heads; ++h) {
        norms.push_back(fmt::format("{}self_attn.{}.norms.{}", base, module, h));
      }
      return norms;
    };
    names.query_norm = each("q_layernorm", a.heads);
    names.key_norm = each("k_layernorm", a.kv_heads);
  });
  return a;
}

}  // namespace octet::model

// OLMo 2: LLaMA that normalises what the blocks add rather than what they read, and whole rows of
// queries and keys.
#include "model/families/families.h"
#include "model/families/llama.h"
#include "model/families/naming.h"

namespace octet::model {

Architecture describe_olmo2(const Config& config) {
  const bool bias = config.flag_or("attention_bias", false);
  Architecture a = llama_like(config, {.qkv_bias = bias, .output_bias = bias});
  a.norm_epsilon = static_cast<float>(config.number_or("rms_norm_eps", 1e-5));
  a.query_key_norm = QueryKeyNorm::row;
  change_layers(a, config, [](LayerNames& names, const std::string& base) {
    names.attention_norm = {};
    names.query_norm = {base + "self_attn.q_norm"};
    names.key_norm = {base + "self_attn.k_norm"};
    names.attention_output_norm = norm(base + "post_attention_layernorm", false);
    names.feed_forward_norm = {};
    names.feed_forward_output_norm = norm(base + "post_feedforward_layernorm", false);
  });
  return a;
}

}  // namespace octet::model

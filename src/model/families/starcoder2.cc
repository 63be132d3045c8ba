// StarCoder2: LLaMA's attention with layer norms, biases and a plain feed-forward block.
#include "model/families/families.h"
#include "model/families/llama.h"
#include "model/families/naming.h"

namespace octet::model {

Architecture describe_starcoder2(const Config& config) {
  const bool bias = config.flag_or("use_bias", true);
  Architecture a =
      llama_like(config, {.qkv_bias = bias, .output_bias = bias, .tied_embeddings = true});
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("norm_epsilon", 1e-5));
  a.activation = config.activation("hidden_act", "gelu_pytorch_tanh");
  a.gated = false;
  a.layer_windows = layer_windows(config, a.layers, 0, [](int64_t) { return true; });
  a.names.final_norm.bias = config.prefix({"model.", ""}, "embed_tokens.weight") + "norm.bias";
  change_layers(a, config, [&](LayerNames& names, const std::string& base) {
    names.attention_norm = norm(base + "input_layernorm", true);
    names.feed_forward_norm = norm(base + "post_attention_layernorm", true);
    names.up = by_columns({matrix(base + "mlp.c_fc", a.intermediate_size, bias)}, a.hidden_size);
    names.down = by_rows(matrix(base + "mlp.c_proj", a.hidden_size, bias), a.intermediate_size);
  });
  return a;
}

}  // namespace octet::model

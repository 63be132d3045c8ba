// The names that llama.cpp's converter gives the tensors of Hugging Face checkpoints.
#include "support/gguf_tensor_names.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace octet::test {

namespace {

bool ends_with(const std::string& text, std::initializer_list<const char*> ends) {
  return std::ranges::any_of(ends, [&](const char* end) { return text.ends_with(end); });
}

/// What comes behind "blk.N." for what comes behind a layer's number; the same for all models.
const std::map<std::string, std::string>& layer_names() {
  static const std::map<std::string, std::string> names = {
      {"attention.dense", "attn_output"},
      {"attention.query_key_value", "attn_qkv"},
      {"attn.Wqkv", "attn_qkv"},
      {"attn.c_attn", "attn_qkv"},
      {"attn.c_proj", "attn_output"},
      {"attn.out_proj", "attn_output"},
      {"block_sparse_moe.gate", "ffn_gate_inp"},
      {"ffn.down_proj", "ffn_down"},
      {"ffn.up_proj", "ffn_up"},
      {"input_layernorm", "attn_norm"},
      {"ln_1", "attn_norm"},
      {"ln_2", "ffn_norm"},
      {"ln_attn", "attn_norm_2"},
      {"ln_mlp", "attn_norm"},
      {"mlp.c_fc", "ffn_up"},
      {"mlp.c_proj", "ffn_down"},
      {"mlp.dense_4h_to_h", "ffn_down"},
      {"mlp.dense_h_to_4h", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},
      {"mlp.fc1", "ffn_up"},
      {"mlp.fc2", "ffn_down"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.gate_up_proj", "ffn_up"},
      {"mlp.up_proj", "ffn_up"},
      {"norm_1", "attn_norm"},
      {"norm_2", "ffn_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"post_feedforward_layernorm", "post_ffw_norm"},
      {"pre_feedforward_layernorm", "ffn_norm"},
      {"self_attention.dense", "attn_output"},
      {"self_attention.query_key_value", "attn_qkv"},
      {"self_attn.dense", "attn_output"},
      {"self_attn.k_layernorm.norms", "attn_k_norm"},
      {"self_attn.k_norm", "attn_k_norm"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.o_proj", "attn_output"},
      {"self_attn.q_layernorm.norms", "attn_q_norm"},
      {"self_attn.q_norm", "attn_q_norm"},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.qkv_proj", "attn_qkv"},
      {"self_attn.v_proj", "attn_v"},
  };
  return names;
}

const std::map<std::string, std::string>& outer_names() {
  static const std::map<std::string, std::string> names = {
      {"decoder.final_layer_norm", "dec.output_norm"},
      {"embed_out", "output"},
      {"encoder.final_layer_norm", "enc.output_norm"},
      {"gpt_neox.embed_in", "token_embd"},
      {"gpt_neox.final_layer_norm", "output_norm"},
      {"lm_head", "output"},
      {"model.embed_tokens", "token_embd"},
      {"model.final_layernorm", "output_norm"},
      {"model.norm", "output_norm"},
      {"shared", "token_embd"},
      {"transformer.ln_f", "output_norm"},
      {"transformer.norm_f", "output_norm"},
      {"transformer.word_embeddings", "token_embd"},
      {"transformer.word_embeddings_layernorm", "token_embd_norm"},
      {"transformer.wpe", "position_embd"},
      {"transformer.wte", "token_embd"},
  };
  return names;
}

/// "layer.1.EncDecAttention.q" of a decoder → "cross_attn_q".
std::string t5_name(const std::string& rest, bool decoder) {
  const char sublayer = rest.at(6);
  const std::string last = rest.substr(rest.rfind('.') + 1);
  const bool cross = decoder && sublayer == '1';
  const bool feed_forward = !cross && sublayer != '0';
  if (last == "layer_norm")
    return feed_forward ? "ffn_norm" : cross ? "cross_attn_norm" : "attn_norm";
  if (last == "relative_attention_bias") return "attn_rel_b";
  if (last == "wi_0") return "ffn_gate";
  if (last == "wo") return "ffn_down";
  if (feed_forward) return "ffn_up";
  return (cross ? "cross_attn_" : "attn_") + last;
}

}  // namespace

std::string gguf_tensor_name(const std::string& model_type, const std::string& name) {
  const auto is = [&](std::initializer_list<const char*> types) {
    return std::ranges::find(types, model_type) != types.end();
  };
  if (ends_with(name, {".attn.bias", ".masked_bias", ".inv_freq", "coder.embed_tokens.weight"}) ||
      (is({"gemma", "gemma2"}) && name == "lm_head.weight")) {
    return "";
  }
  const size_t dot = name.rfind('.');
  const std::string module = name.substr(0, dot);
  const std::string suffix = name.substr(dot);
  if (outer_names().contains(module)) return outer_names().at(module) + suffix;
  size_t number = 0;
  for (const char* base : {"transformer.h.", "transformer.blocks.", "model.layers.",
                           "gpt_neox.layers.", "encoder.block.", "decoder.block."}) {
    if (module.starts_with(base)) number = std::string(base).size();
  }
  if (number == 0) fail("no rule for tensor {}", name);
  const size_t end = module.find('.', number);
  const std::string layer = "blk." + module.substr(number, end - number) + ".";
  const std::string rest = module.substr(end + 1);
  if (is({"t5"})) {
    const bool decoder = module.starts_with("decoder.");
    return (decoder ? "dec." : "enc.") + layer + t5_name(rest, decoder) + suffix;
  }
  if (is({"gemma2", "olmo2"}) && rest == "post_attention_layernorm") {
    return layer + "post_attention_norm" + suffix;
  }
  if (rest.starts_with("block_sparse_moe.experts.")) {
    const char matrix = rest.back();
    return layer +
           (matrix == '1'   ? "ffn_gate_exps"
            : matrix == '2' ? "ffn_down_exps"
                            : "ffn_up_exps") +
           suffix;
  }
  return layer + layer_names().at(rest) + suffix;
}

}  // namespace octet::test

// A GGUF file seen as the Hugging Face checkpoint it was made from.
#include "model/load/gguf_model.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "checkpoint/decode.h"

namespace octet::model {

using checkpoint::GgufMetadata;
using nlohmann::json;

namespace {

json rope_parameters(const checkpoint::Gguf& gguf, const std::string& arch) {
  const GgufMetadata& metadata = gguf.metadata;
  json rope = {{"rope_theta", metadata.number(arch + ".rope.freq_base").value_or(10000.0)},
               {"rope_type", "default"}};
  const std::string scaling(metadata.string(arch + ".rope.scaling.type").value_or("none"));
  if (scaling != "none") {
    rope["rope_type"] = scaling;
    rope["factor"] = metadata.number(arch + ".rope.scaling.factor").value_or(1.0);
  }
  // Llama 3's scaling comes as one divisor per frequency.
  if (const auto found = gguf.tensors.find("rope_freqs.weight"); found != gguf.tensors.end()) {
    std::vector<float> factors(static_cast<size_t>(found->second.elements()));
    checkpoint::decode_rows(found->second, 0, checkpoint::row_count(found->second), factors.data());
    rope["rope_type"] = "factors";
    rope["factors"] = factors;
  }
  return rope;
}

}  // namespace

json huggingface_config(const checkpoint::Gguf& gguf, const std::string& file) {
  const GgufMetadata& metadata = gguf.metadata;
  const auto arch_text = metadata.string("general.architecture");
  if (!arch_text) fail("{}: has no general.architecture; is it a model?", file);
  const std::string arch(*arch_text);
  if (arch != "llama") {
    fail("{}: GGUF architecture \"{}\" is not known to octet (known: llama)", file, arch);
  }
  json config = {{"model_type", "llama"}};
  const auto integer = [&](const char* name, const std::string& key) {
    if (const auto value = metadata.integer(arch + "." + key)) config[name] = *value;
  };
  integer("hidden_size", "embedding_length");
  integer("num_hidden_layers", "block_count");
  integer("num_attention_heads", "attention.head_count");
  integer("num_key_value_heads", "attention.head_count_kv");
  integer("head_dim", "attention.key_length");
  integer("intermediate_size", "feed_forward_length");
  integer("max_position_embeddings", "context_length");
  integer("vocab_size", "vocab_size");
  if (const auto rows = gguf.tensors.find("token_embd.weight");
      rows != gguf.tensors.end() && rows->second.shape.size() == 2) {
    config["vocab_size"] = rows->second.shape[0];
  }
  if (const auto epsilon = metadata.number(arch + ".attention.layer_norm_rms_epsilon")) {
    config["rms_norm_eps"] = *epsilon;
  }
  config["rope_parameters"] = rope_parameters(gguf, arch);
  config["attention_bias"] = gguf.tensors.contains("blk.0.attn_q.bias");
  config["tie_word_embeddings"] = !gguf.tensors.contains("output.weight");
  json ends = json::array();
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    if (const auto id = metadata.integer(key)) ends.push_back(*id);
  }
  config["eos_token_id"] = ends;
  return config;
}

std::string gguf_tensor_name(const std::string& name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> whole = {{
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight"},
  }};
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> parts = {{
      {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},
  }};
  for (const auto& [ours, theirs] : whole) {
    if (name == ours) return std::string(theirs);
  }
  constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return name;
  const size_t dot = name.find('.', kLayers.size());
  const size_t last = name.rfind('.');
  if (dot == std::string::npos || last <= dot) return name;
  const std::string part = name.substr(dot + 1, last - dot - 1);
  for (const auto& [ours, theirs] : parts) {
    if (part == ours) {
      return "blk." + name.substr(kLayers.size(), dot - kLayers.size()) + "." +
             std::string(theirs) + name.substr(last);
    }
  }
  return name;
}

int64_t gguf_row(int64_t row, int64_t head_dim) {
  const int64_t within = row % head_dim;
  const int64_t half = head_dim / 2;
  return row - within + 2 * (within % half) + within / half;
}

bool gguf_rows_are_paired(const std::string& huggingface_name) {
  return huggingface_name.find("self_attn.q_proj.") != std::string::npos ||
         huggingface_name.find("self_attn.k_proj.") != std::string::npos;
}

std::unique_ptr<tokenizer::Tokenizer> gguf_tokenizer(const checkpoint::Gguf& gguf,
                                                     const std::string& file) {
  const GgufMetadata& metadata = gguf.metadata;
  const std::string base = "tokenizer.ggml.";
  const auto model = metadata.string(base + "model");
  if (!model) fail("{}: carries no tokeniser (tokenizer.ggml.model)", file);
  tokenizer::GgufVocabulary vocabulary;
  vocabulary.file = file;
  vocabulary.model = *model;
  vocabulary.pre = metadata.string(base + "pre").value_or("");
  if (auto tokens = metadata.strings(base + "tokens")) vocabulary.tokens = std::move(*tokens);
  if (auto merges = metadata.strings(base + "merges")) vocabulary.merges = std::move(*merges);
  if (auto scores = metadata.numbers(base + "scores")) vocabulary.scores = std::move(*scores);
  if (const auto types = metadata.integers(base + "token_type")) {
    vocabulary.types.assign(types->begin(), types->end());
  }
  vocabulary.bos = metadata.integer(base + "bos_token_id");
  vocabulary.eos = metadata.integer(base + "eos_token_id");
  vocabulary.unknown = metadata.integer(base + "unknown_token_id");
  vocabulary.add_bos = metadata.boolean(base + "add_bos_token");
  vocabulary.add_eos = metadata.boolean(base + "add_eos_token");
  vocabulary.add_space_prefix = metadata.boolean(base + "add_space_prefix");
  return tokenizer::make_gguf_tokenizer(vocabulary);
}

}  // namespace octet::model

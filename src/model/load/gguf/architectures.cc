// The GGUF architectures octet reads. Their facts are llama.cpp's convert_hf_to_gguf.py.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/load/gguf/architecture.h"
#include "model/load/gguf/names.h"

namespace octet::model {

using nlohmann::json;

namespace {

using enum GgufKind;

constexpr GgufKey kSizes[] = {
    {"vocab_size", "vocab_size"},
    {"embedding_length", "hidden_size"},
    {"block_count", "num_hidden_layers"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.head_count_kv", "num_key_value_heads"},
    {"attention.key_length", "head_dim"},
    {"feed_forward_length", "intermediate_size"},
    {"context_length", "max_position_embeddings"},
};
constexpr GgufKey kRmsNorm[] = {{"attention.layer_norm_rms_epsilon", "rms_norm_eps", number}};
constexpr GgufKey kLayerNorm[] = {
    {"attention.layer_norm_epsilon", "layer_norm_eps", number},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon", number},
    {"attention.layer_norm_epsilon", "norm_epsilon", number},
};
constexpr GgufKey kWindow[] = {{"attention.sliding_window", "sliding_window"}};
constexpr GgufKey kSoftcaps[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping", number},
    {"final_logit_softcapping", "final_logit_softcapping", number},
};
constexpr GgufKey kExperts[] = {
    {"expert_count", "num_local_experts"},
    {"expert_used_count", "num_experts_per_tok"},
};
constexpr GgufKey kFalconSizes[] = {
    {"attention.head_count_kv", "num_kv_heads"},
    {"feed_forward_length", "ffn_hidden_size"},
};
constexpr GgufKey kGpt2Sizes[] = {{"feed_forward_length", "n_inner"}};
constexpr GgufKey kBloomSizes[] = {{"context_length", "seq_length"}};
constexpr GgufKey kMptOptions[] = {
    {"context_length", "max_seq_len"},
    {"attention.max_alibi_bias", "alibi_bias_max", number},
    {"attention.clamp_kqv", "clip_qkv", number},
};
constexpr GgufKey kParallel[] = {{"use_parallel_residual", "use_parallel_residual", flag}};
constexpr GgufKey kT5Sizes[] = {
    {"embedding_length", "d_model"},
    {"block_count", "num_layers"},
    {"decoder_block_count", "num_decoder_layers"},
    {"attention.head_count", "num_heads"},
    {"attention.key_length", "d_kv"},
    {"feed_forward_length", "d_ff"},
    {"context_length", "n_positions"},
    {"attention.layer_norm_rms_epsilon", "layer_norm_epsilon", number},
    {"attention.relative_buckets_count", "relative_attention_num_buckets"},
    {"decoder_start_token_id", "decoder_start_token_id"},
};

/// What was Mistral or Mixtral. The converter does not write Mistral's window.
void complete_llama(const checkpoint::Gguf&, json& config) {
  if (config.value("num_local_experts", int64_t{0}) > 0) {
    config["model_type"] = "mixtral";
  } else if (config.value("sliding_window", int64_t{0}) > 0) {
    config["model_type"] = "mistral";
  }
}

/// Scores are scaled by head_dim but for the 27B, which 46 layers identify.
void complete_gemma2(const checkpoint::Gguf&, json& config) {
  const auto of = [&](const char* key) { return config.value(key, int64_t{0}); };
  const bool is_27b = of("num_hidden_layers") == 46 && of("num_attention_heads") > 0;
  config["query_pre_attn_scalar"] =
      is_27b ? of("hidden_size") / of("num_attention_heads") : of("head_dim");
}

void complete_falcon(const checkpoint::Gguf& gguf, json& config) {
  config["num_ln_in_parallel_attn"] = gguf.tensors.contains("blk.0.attn_norm_2.weight") ? 2 : 1;
}

void complete_mpt(const checkpoint::Gguf&, json& config) {
  json attention = {{"alibi", config.value("alibi_bias_max", 0.0) > 0}};
  for (const char* option : {"alibi_bias_max", "clip_qkv"}) {
    if (config.contains(option)) attention[option] = config[option];
    config.erase(option);
  }
  config["attn_config"] = attention;
  const auto of = [&](const char* key) { return config.value(key, int64_t{0}); };
  const int64_t hidden = std::max<int64_t>(1, of("hidden_size"));
  // MPT's config has a ratio whose product is cut to a whole number.
  const double half = of("intermediate_size") % hidden == 0 ? 0 : 0.5;
  config["expansion_ratio"] =
      (static_cast<double>(of("intermediate_size")) + half) / static_cast<double>(hidden);
}

/// Of T5 1.0 the head is the embedding and reads scaled values, whatever the file has beside it;
/// 1.1 is the one with gates.
void complete_t5(const checkpoint::Gguf& gguf, json& config) {
  const bool gated = gguf.tensors.contains("enc.blk.0.ffn_gate.weight");
  config["feed_forward_proj"] = gated ? "gated-gelu" : "relu";
  config["scale_decoder_outputs"] = !gated;
}

std::vector<GgufArchitecture> make_architectures() {
  using namespace gguf_names;
  return {
      {.name = "bloom",
       .model_types = {"bloom"},
       .keys = {kSizes, kLayerNorm, kBloomSizes},
       .names = {kBloom},
       .rotary = false},
      {.name = "falcon",
       .model_types = {"falcon"},
       .keys = {kSizes, kLayerNorm, kFalconSizes},
       .names = {kFalcon},
       .signs = {{"blk.0.attn_qkv.bias", "bias"}},
       .constants = R"({"new_decoder_architecture": true})",
       .complete = complete_falcon},
      {.name = "gemma",
       .model_types = {"gemma"},
       .keys = {kSizes, kRmsNorm},
       .names = {kLlamaOutside, kLlamaAttention, kLlamaFeedForward, kLlamaNorms},
       .constants = R"({"norm_weight_offset": 0})"},
      {.name = "gemma2",
       .model_types = {"gemma2"},
       .keys = {kSizes, kRmsNorm, kWindow, kSoftcaps},
       .names = {kLlamaOutside, kLlamaAttention, kLlamaFeedForward, kGemma2Norms, kOutputNorms},
       .constants = R"({"norm_weight_offset": 0})",
       .complete = complete_gemma2},
      {.name = "gpt2",
       .model_types = {"gpt2"},
       .keys = {kSizes, kLayerNorm, kGpt2Sizes},
       .names = {kGpt2},
       .rotary = false},
      {.name = "gptneox",
       .model_types = {"gpt_neox"},
       .keys = {kSizes, kLayerNorm, kParallel},
       .names = {kGptNeox},
       .signs = {{"blk.0.attn_qkv.bias", "attention_bias"}}},
      {.name = "llama",
       .model_types = {"llama", "mistral", "mixtral"},
       .keys = {kSizes, kRmsNorm, kExperts, kWindow},
       .names = {kLlamaOutside, kLlamaAttention, kLlamaFeedForward, kLlamaNorms, kMixtralExperts},
       .signs = {{"blk.0.attn_q.bias", "attention_bias"}, {"blk.0.ffn_up.bias", "mlp_bias"}},
       .paired_rows = true,
       .complete = complete_llama},
      {.name = "mpt",
       .model_types = {"mpt"},
       .keys = {kSizes, kLayerNorm, kMptOptions},
       .names = {kMpt},
       .rotary = false,
       .complete = complete_mpt},
      {.name = "olmo2",
       .model_types = {"olmo2"},
       .keys = {kSizes, kRmsNorm},
       .names = {kLlamaOutside, kLlamaAttention, kLlamaFeedForward, kQueryKeyNorms, kOutputNorms},
       .signs = {{"blk.0.attn_q.bias", "attention_bias"}}},
      {.name = "phi2", .model_types = {"phi"}, .keys = {kSizes, kLayerNorm}, .names = {kPhi}},
      {.name = "phi3",
       .model_types = {"phi3"},
       .keys = {kSizes, kRmsNorm, kWindow},
       .names = {kLlamaOutside, kPhi3, kLlamaNorms}},
      {.name = "qwen2",
       .model_types = {"qwen2"},
       .keys = {kSizes, kRmsNorm},
       .names = {kLlamaOutside, kLlamaAttention, kLlamaFeedForward, kLlamaNorms}},
      {.name = "qwen3",
       .model_types = {"qwen3"},
       .keys = {kSizes, kRmsNorm},
       .names = {kLlamaOutside, kLlamaAttention, kLlamaFeedForward, kLlamaNorms, kQueryKeyNorms},
       .signs = {{"blk.0.attn_q.bias", "attention_bias"}}},
      {.name = "stablelm",
       .model_types = {"stablelm"},
       .keys = {kSizes, kLayerNorm},
       .names = {kLlamaOutside, kLlamaAttention, kLlamaFeedForward, kLlamaNorms,
                 kStablelmHeadNorms},
       // Some files' use_parallel_residual says true of models that have the second norm.
       .signs = {{"blk.0.attn_q.bias", "use_qkv_bias"},
                 {"blk.0.attn_q_norm.weight", "qk_layernorm"},
                 {"blk.0.ffn_norm.weight", "use_parallel_residual", false}}},
      {.name = "starcoder",
       .model_types = {"gpt_bigcode"},
       .keys = {kSizes, kLayerNorm, kGpt2Sizes},
       .names = {kGpt2},
       .rotary = false},
      {.name = "starcoder2",
       .model_types = {"starcoder2"},
       .keys = {kSizes, kLayerNorm},
       .names = {kLlamaOutside, kLlamaAttention, kStarcoder2FeedForward, kLlamaNorms},
       .signs = {{"blk.0.attn_q.bias", "use_bias"}}},
      {.name = "t5",
       .model_types = {"t5"},
       .keys = {kT5Sizes},
       .names = {kT5},
       .rotary = false,
       .complete = complete_t5},
  };
}

}  // namespace

std::span<const GgufArchitecture> gguf_architectures() {
  static const std::vector<GgufArchitecture> table = make_architectures();
  return table;
}

const GgufArchitecture* find_gguf_architecture(std::string_view name) {
  const auto table = gguf_architectures();
  const auto found = std::ranges::find(table, name, &GgufArchitecture::name);
  return found == table.end() ? nullptr : &*found;
}

const GgufArchitecture* gguf_architecture_of(std::string_view model_type) {
  const auto table = gguf_architectures();
  const auto found = std::ranges::find_if(table, [&](const GgufArchitecture& each) {
    return std::ranges::find(each.model_types, model_type) != each.model_types.end();
  });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace octet::model

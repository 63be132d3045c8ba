// The model families octet knows: from a config to an Architecture, one file per family.
#pragma once

#include <span>
#include <string_view>

#include "model/config.h"

namespace octet::model {

struct Family {
  std::string_view model_type;  ///< as in Hugging Face's config.json
  std::string_view models;      ///< what they are called, for readers
  Architecture (*describe)(const Config& config);
};

std::span<const Family> families();

/// The description of the model that `config` and its checkpoint hold. Throws Error for a
/// model_type that no family has (listing those that are known) and for options that the family
/// does not support.
Architecture describe_architecture(const Config& config);

Architecture describe_bloom(const Config& config);
Architecture describe_falcon(const Config& config);
Architecture describe_gemma(const Config& config);
Architecture describe_gemma2(const Config& config);
Architecture describe_gpt2(const Config& config);
Architecture describe_gpt_bigcode(const Config& config);
Architecture describe_gpt_neo(const Config& config);
Architecture describe_gpt_neox(const Config& config);
Architecture describe_gptj(const Config& config);
Architecture describe_llama(const Config& config);
Architecture describe_mistral(const Config& config);
Architecture describe_mixtral(const Config& config);
Architecture describe_mpt(const Config& config);
Architecture describe_olmo2(const Config& config);
Architecture describe_opt(const Config& config);
Architecture describe_phi(const Config& config);
Architecture describe_phi3(const Config& config);
Architecture describe_qwen2(const Config& config);
Architecture describe_qwen3(const Config& config);
Architecture describe_stablelm(const Config& config);
Architecture describe_starcoder2(const Config& config);
Architecture describe_t5(const Config& config);
Architecture describe_xglm(const Config& config);

}  // namespace octet::model

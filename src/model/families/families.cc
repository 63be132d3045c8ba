// The list of model families and the checks that hold for all of them.
#include "model/families/families.h"

#include <string>

#include "base/error.h"

namespace octet::model {

std::span<const Family> families() {
  static constexpr Family table[] = {
      {"bloom", "BLOOM, BLOOMZ", describe_bloom},
      {"falcon", "Falcon 7B, 40B, 180B, RW; Falcon 2 11B", describe_falcon},
      {"gemma", "Gemma", describe_gemma},
      {"gemma2", "Gemma 2", describe_gemma2},
      {"gpt2", "GPT-2", describe_gpt2},
      {"gpt_bigcode", "StarCoder, SantaCoder", describe_gpt_bigcode},
      {"gpt_neo", "GPT-Neo", describe_gpt_neo},
      {"gpt_neox", "GPT-NeoX, Pythia", describe_gpt_neox},
      {"gptj", "GPT-J", describe_gptj},
      {"llama", "LLaMA, LLaMA 2, LLaMA 3, SmolLM, Falcon 3 and others", describe_llama},
      {"mistral", "Mistral", describe_mistral},
      {"mixtral", "Mixtral", describe_mixtral},
      {"mpt", "MPT", describe_mpt},
      {"olmo2", "OLMo 2", describe_olmo2},
      {"opt", "OPT", describe_opt},
      {"phi", "Phi-1, Phi-1.5, Phi-2", describe_phi},
      {"phi3", "Phi-3, Phi-3.5, Phi-4", describe_phi3},
      {"qwen2", "Qwen 1.5, Qwen2, Qwen2.5", describe_qwen2},
      {"qwen3", "Qwen3", describe_qwen3},
      {"stablelm", "StableLM", describe_stablelm},
      {"starcoder2", "StarCoder2", describe_starcoder2},
      {"t5", "T5 1.0 and 1.1, Flan-T5", describe_t5},
      {"xglm", "XGLM, fairseq's dense models", describe_xglm},
  };
  return table;
}

namespace {

/// In floating point, so that no config makes the sum overflow.
double matrix_weights(const Architecture& a) {
  double sum = 2.0 * static_cast<double>(a.vocabulary_size) * static_cast<double>(a.embedding_size);
  for (const Stack stack : kStacks) {
    for (const LayerNames& layer : a.names_of(stack)) {
      for (const LinearId id : linears_of(layer)) {
        const LinearNames& linear = linear_of(layer, id);
        sum += static_cast<double>(linear.inputs) * static_cast<double>(linear.outputs());
      }
    }
  }
  return sum;
}

void check(const Architecture& a, const std::string& file) {
  if (a.heads % a.kv_heads != 0) {
    fail("{}: {} attention heads cannot share {} key/value heads", file, a.heads, a.kv_heads);
  }
  if (a.head_dim > 256) fail("{}: head dimension {} is over 256", file, a.head_dim);
  // Bounds that no model reaches, so that a damaged config cannot ask for absurd buffers.
  constexpr int64_t kLargest = int64_t{1} << 24;
  for (int64_t size :
       {a.hidden_size, a.intermediate_size, a.query_size(), a.vocabulary_size, a.max_positions}) {
    if (size > kLargest) fail("{}: a size of {} is over {}", file, size, kLargest);
  }
  if (const double weights = matrix_weights(a); weights > 0x1p50) {
    fail("{}: describes {:.1e} weights, which no machine holds", file, weights);
  }
}

}  // namespace

Architecture describe_architecture(const Config& config) {
  const std::string type = config.text("model_type");
  std::string known;
  for (const Family& family : families()) {
    if (family.model_type == type) {
      Architecture architecture = family.describe(config);
      architecture.family = type;
      check(architecture, config.file());
      return architecture;
    }
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  fail("{}: model_type \"{}\" is not known to octet (known: {})", config.file(), type, known);
}

}  // namespace octet::model

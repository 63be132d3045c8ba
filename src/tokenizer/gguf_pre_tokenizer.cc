// The ways of cutting text that GGUF files name in tokenizer.ggml.pre.
#include "tokenizer/gguf_pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"

namespace octet::tokenizer {
namespace {

// The patterns are those of the models' own tokenizer.json files. Names are llama.cpp's.
constexpr std::string_view kOneDigit = R"(\p{N})";
constexpr std::string_view kThreeDigits = "[0-9][0-9][0-9]";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
                                    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kFalconPunctuation = R"([\p{P}\$\+<=>\^~\|`]+)";
constexpr std::string_view kDefaultPunctuation = R"([\p{P}\$\+<=>\^~\|]+)";
constexpr std::string_view kBloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";

struct Family {
  std::vector<std::string_view> names;
  std::vector<std::string_view> patterns;  // each cuts what the one before left
  bool ignore_merges = false;
  bool add_bos = false;
  bool compose = false;  // the model's tokenizer.json has the normaliser NFC
};

const std::vector<Family>& families() {
  static const std::vector<Family> table = {
      {.names = {"gpt-2", "phi-2", "jais", "trillion", "exaone4", "granite-docling"},
       .patterns = {kGpt2Pattern}},
      // GPT-NeoX's tokeniser; MPT, Pythia and OLMo have it too.
      {.names = {"mpt", "olmo"}, .patterns = {kGpt2Pattern}, .compose = true},
      {.names = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"},
       .patterns = {kOneDigit, kGpt2Pattern}},
      {.names = {"llama-bpe", "llama3", "llama-v3", "falcon3"},
       .patterns = {kLlama3},
       .ignore_merges = true,
       .add_bos = true},
      {.names = {"dbrx", "smaug-bpe", "chatglm-bpe", "glm4"}, .patterns = {kLlama3}},
      {.names = {"qwen2", "deepseek-r1-qwen", "megrez"}, .patterns = {kQwen2}, .compose = true},
      {.names = {"stablelm2", "hunyuan"}, .patterns = {kQwen2}},
      {.names = {"gpt-4o", "llama4"}, .patterns = {kGpt4o}},
      {.names = {"tekken"}, .patterns = {kTekken}, .ignore_merges = true, .add_bos = true},
      {.names = {"falcon"}, .patterns = {kFalconPunctuation, kGpt2Pattern, kThreeDigits}},
      {.names = {"bloom", "poro-chat", "gpt3-finnish"}, .patterns = {kBloom}},
      {.names = {"viking"}, .patterns = {kBloom, kOneDigit}},
      {.names = {"deepseek-coder"},
       .patterns = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[一-龥ࠀ-一가-퟿]+",
                    kOneDigit}},
      {.names = {"default", ""},
       .patterns = {kDefaultPunctuation, kGpt2Pattern, R"(\p{N}+)", kThreeDigits}},
  };
  return table;
}

}  // namespace

GgufPreTokenizer make_gguf_pre_tokenizer(std::string_view name, const std::string& file) {
  const auto& table = families();
  const auto family = std::find_if(table.begin(), table.end(), [&](const Family& candidate) {
    return std::find(candidate.names.begin(), candidate.names.end(), name) != candidate.names.end();
  });
  if (family == table.end()) {
    fail(
        "{}: tokenizer.ggml.pre is \"{}\", a way of cutting text that is not known; use the "
        "model's Hugging Face directory instead",
        file, name);
  }
  GgufPreTokenizer pre;
  pre.ignore_merges = family->ignore_merges;
  pre.add_bos = family->add_bos;
  std::vector<PreTokenizerStep> steps;
  for (const std::string_view pattern : family->patterns) {
    steps.push_back(isolate(pattern));
  }
  pre.pre_tokenizer = PreTokenizer(std::move(steps));
  if (family->compose) {
    std::vector<NormalizerStep> normalizers;
    normalizers.emplace_back(UnicodeForm::kNfc);
    pre.normalizer = Normalizer(std::move(normalizers));
  }
  return pre;
}

}  // namespace octet::tokenizer

// The vocabulary in a GGUF file's metadata.
#include <utility>

#include "base/error.h"
#include "model/load/gguf/model.h"

namespace octet::model {

std::unique_ptr<tokenizer::Tokenizer> gguf_tokenizer(const checkpoint::Gguf& gguf,
                                                     const std::string& file) {
  const checkpoint::GgufMetadata& metadata = gguf.metadata;
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
  vocabulary.remove_extra_whitespaces = metadata.boolean(base + "remove_extra_whitespaces");
  if (const auto bytes = metadata.integers(base + "precompiled_charsmap")) {
    vocabulary.charsmap.assign(bytes->begin(), bytes->end());
  }
  return tokenizer::make_gguf_tokenizer(vocabulary);
}

}  // namespace octet::model

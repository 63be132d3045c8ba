// The ways of cutting text that GGUF files name in tokenizer.ggml.pre.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"

namespace octet::tokenizer {

struct GgufPreTokenizer {
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  bool ignore_merges = false;
  bool add_bos = false;  ///< unless the file says otherwise
};

/// Throws Error naming `file` and `name` when the name is not known.
GgufPreTokenizer make_gguf_pre_tokenizer(std::string_view name, const std::string& file);

}  // namespace octet::tokenizer

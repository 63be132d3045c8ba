// The vocabulary in a GGUF file's metadata as plain data, for make_gguf_tokenizer().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/gguf.h"
#include "tokenizer/token_id.h"

namespace octet::tokenizer {

/// Field names in comments are GGUF keys below "tokenizer.ggml.".
struct GgufVocabulary {
  std::string file;                      ///< for error messages
  std::string model;                     ///< model: "gpt2" (byte-level BPE), "llama" or "t5"
  std::string pre;                       ///< pre: how "gpt2" cuts text; empty: "default"
  std::vector<std::string_view> tokens;  ///< tokens
  std::vector<int32_t> types;            ///< token_type: empty, or one for each token
  std::vector<float> scores;             ///< scores: one for each token (not of "gpt2")
  std::vector<std::string_view> merges;  ///< merges: "left right" ("gpt2" needs them)
  std::optional<int64_t> bos;            ///< bos_token_id
  std::optional<int64_t> eos;            ///< eos_token_id
  std::optional<int64_t> unknown;        ///< unknown_token_id
  std::optional<bool> add_bos;           ///< add_bos_token; else what `model` and `pre` imply
  std::optional<bool> add_eos;           ///< add_eos_token
  std::optional<bool> add_space_prefix;  ///< add_space_prefix
  std::optional<bool> remove_extra_whitespaces;  ///< remove_extra_whitespaces ("t5")
  std::string charsmap;                          ///< precompiled_charsmap: bytes ("t5")
};

/// Its texts live as long as the bytes the metadata were parsed from. Throws Error, naming `file`,
/// when there is none or a key has the wrong type.
GgufVocabulary read_gguf_vocabulary(const checkpoint::GgufMetadata& metadata,
                                    const std::string& file);

}  // namespace octet::tokenizer

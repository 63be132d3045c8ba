// The one tokeniser: added tokens, normaliser, pre-tokeniser, model, what is added, and the
// decoder.
#pragma once

#include <memory>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/decoder.h"
#include "tokenizer/directory_config.h"
#include "tokenizer/model.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace octet::tokenizer {

struct Pipeline {
  std::shared_ptr<const Vocabulary> vocabulary;  ///< of the model, without added tokens
  std::vector<AddedToken> added;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<Model> model;
  std::vector<TokenId> prefix;  ///< what add_special puts before a text
  std::vector<TokenId> suffix;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  Decoder decoder;
  bool byte_level = false;  ///< bytes that are not UTF-8 pass through
  std::string file;         ///< for error messages
};

/// Checks that ids fit together and builds the tokeniser; throws Error when they do not.
std::unique_ptr<Tokenizer> make_pipeline(Pipeline pipeline);

/// Sets bos and eos as the directory's files name them, and what add_bos/add_eos ask for.
void apply_config(const DirectoryConfig& config, Pipeline& pipeline);

/// The token of the model or the added tokens spelled so, or kNoToken.
TokenId find_token(const Pipeline& pipeline, std::string_view spelling);

}  // namespace octet::tokenizer

// GPT-2's two files: vocab.json and merges.txt.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tokenizer/directory_config.h"
#include "tokenizer/tokenizer.h"

namespace octet::tokenizer {

struct VocabularyFiles {
  std::string_view vocab;  ///< {"token": id, …}
  std::string vocab_file;  ///< for error messages
  std::string_view merges;
  std::string merges_file;
};

/// The byte-level BPE tokeniser of the two files. Special tokens are those `config` names; when it
/// names none, OPT's ("</s>" before every text) if its four stand at ids 0 … 3, else GPT-2's
/// ("<|endoftext|>").
std::unique_ptr<Tokenizer> parse_vocabulary_files(const VocabularyFiles& files,
                                                  const DirectoryConfig& config);

}  // namespace octet::tokenizer

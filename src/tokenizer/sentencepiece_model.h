// tokenizer.model files, read and applied by libsentencepiece.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tokenizer/directory_config.h"
#include "tokenizer/tokenizer.h"

namespace octet::tokenizer {

/// The tokeniser of a serialised SentencePiece model. `file` stands in error messages.
std::unique_ptr<Tokenizer> parse_sentencepiece(std::string_view bytes, const std::string& file,
                                               const DirectoryConfig& config);

}  // namespace octet::tokenizer

// Hugging Face's tokenizer.json.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tokenizer/directory_config.h"
#include "tokenizer/tokenizer.h"

namespace octet::tokenizer {

class JsonNode;

/// The tokeniser that `text` describes. `file` stands in error messages.
std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view text, const std::string& file,
                                                const DirectoryConfig& config);

/// An added token's content and flags; the id is left for the caller.
AddedToken read_added_token(const JsonNode& node);

}  // namespace octet::tokenizer

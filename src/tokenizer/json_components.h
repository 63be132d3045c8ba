// The components a tokenizer.json names (normalizer, pre_tokenizer, post_processor, decoder).
#pragma once

#include <memory>
#include <vector>

#include "tokenizer/decoder.h"
#include "tokenizer/json_node.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_id.h"
#include "tokenizer/vocabulary.h"

namespace octet::tokenizer {

/// Each throws Error naming the place and the component when it is not supported.
Normalizer read_normalizer(const JsonNode& node);

struct JsonPreTokenizer {
  PreTokenizer pre_tokenizer;
  bool byte_level = false;  ///< ends in ByteLevel: the vocabulary spells bytes
};
JsonPreTokenizer read_pre_tokenizer(const JsonNode& node);

struct JsonTemplate {
  std::vector<TokenId> prefix;
  std::vector<TokenId> suffix;
};
JsonTemplate read_post_processor(const JsonNode& node);

struct JsonDecoder {
  Decoder decoder;
  bool byte_level = false;
};
JsonDecoder read_decoder(const JsonNode& node);

/// The object {"token": id, …}.
std::shared_ptr<Vocabulary> read_vocabulary(const JsonNode& node);

/// A pattern {"String": …} or {"Regex": …}, as a regular expression.
std::string read_pattern(const JsonNode& node);

}  // namespace octet::tokenizer

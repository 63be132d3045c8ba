// Tokens that are found in a text as they stand, before the model sees what is between them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/normalizer.h"
#include "tokenizer/prefix_matcher.h"
#include "tokenizer/token_id.h"

namespace octet::tokenizer {

struct AddedToken {
  TokenId id = kNoToken;
  std::string content;
  bool special = false;      ///< marks structure: BOS, EOS, a chat turn …
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space after it
  bool normalized = false;   ///< looked for in the normalised text
};

class AddedTokens {
 public:
  AddedTokens() = default;
  AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer);

  /// A stretch of text, or a token found.
  struct Segment {
    std::string_view text;
    TokenId id;  ///< kNoToken: text
  };

  enum class Where { kRawText, kNormalizedText };

  /// Cuts `text` at the tokens looked for there (leftmost first, then the longest); special ones
  /// only with `parse_special`.
  std::vector<Segment> split(std::string_view text, Where where, bool parse_special) const;

  const AddedToken* find(std::string_view content) const;
  const AddedToken* find(TokenId id) const;
  TokenId largest_id() const { return by_id_.empty() ? kNoToken : tokens_[by_id_.back()].id; }

 private:
  std::vector<AddedToken> tokens_;
  std::vector<uint32_t> by_id_;  // indices of tokens_, ascending by id
  PrefixMatcher raw_;
  PrefixMatcher normalized_;
  PrefixMatcher contents_;
};

}  // namespace octet::tokenizer

// The interface of what turns a piece of text into tokens.
#pragma once

#include <span>
#include <vector>

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_id.h"

namespace octet::tokenizer {

class Model {
 public:
  virtual ~Model() = default;

  /// Appends the tokens of the pieces, each by itself.
  virtual void encode(std::span<const Pieces::Piece> pieces, std::vector<TokenId>& out) const = 0;
};

}  // namespace octet::tokenizer

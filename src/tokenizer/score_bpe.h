// SentencePiece's BPE as GGUF files carry it: neighbours merge into any token, best score first.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/merge.h"
#include "tokenizer/model.h"
#include "tokenizer/vocabulary.h"

namespace octet::tokenizer {

class ScoreBpeModel final : public Model {
 public:
  /// `rank[id]` orders the merges into token id, lowest first; kNoSymbol: text never becomes that
  /// token. Characters that are no token become byte tokens "<0x41>" if there are all of them,
  /// else `unknown` (kNoToken: nothing).
  ScoreBpeModel(std::shared_ptr<const Vocabulary> vocabulary, std::vector<uint32_t> rank,
                TokenId unknown);

  void encode(std::span<const Pieces::Piece> pieces, std::vector<TokenId>& out) const override;

 private:
  TokenId text_token(std::string_view text) const;
  void append_unknown(std::string_view text, std::vector<TokenId>& out) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<uint32_t> rank_;
  TokenId unknown_;
  std::vector<TokenId> byte_tokens_;  // 256 or none
};

}  // namespace octet::tokenizer

// The unigram model: the cut of a text into tokens with the highest sum of scores (Viterbi).
#pragma once

#include <memory>
#include <vector>

#include "tokenizer/model.h"
#include "tokenizer/prefix_matcher.h"
#include "tokenizer/vocabulary.h"

namespace octet::tokenizer {

class UnigramModel final : public Model {
 public:
  /// `scores[id]` for every token of `vocabulary`, finite. A character that starts no token costs
  /// the lowest score − 10; neighbouring ones become one `unknown` (kNoToken: they are an Error
  /// when met), or with `byte_fallback` the tokens of their bytes.
  UnigramModel(std::shared_ptr<const Vocabulary> vocabulary, std::vector<double> scores,
               TokenId unknown, bool byte_fallback);

  void encode(std::span<const Pieces::Piece> pieces, std::vector<TokenId>& out) const override;

 private:
  struct Best {
    double score = 0;
    uint32_t begin = 0;  // of the token that ends here
    TokenId id = kNoToken;
    bool reached = false;
  };

  void find_best_cut(std::string_view text, std::vector<Best>& best) const;
  void append_unknown(std::string_view text, std::vector<TokenId>& out) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<double> scores_;
  TokenId unknown_;
  double unknown_score_;
  PrefixMatcher matcher_;
  std::vector<TokenId> byte_tokens_;  // 256 or none
};

}  // namespace octet::tokenizer

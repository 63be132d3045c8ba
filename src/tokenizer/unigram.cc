// The unigram model: the cut of a text into tokens with the highest sum of scores (Viterbi).
#include "tokenizer/unigram.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/bpe.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer {

UnigramModel::UnigramModel(std::shared_ptr<const Vocabulary> vocabulary, std::vector<double> scores,
                           TokenId unknown, bool byte_fallback)
    : vocabulary_(std::move(vocabulary)), scores_(std::move(scores)), unknown_(unknown) {
  constexpr double kUnknownPenalty = 10;
  unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
  std::vector<PrefixMatcher::Entry> entries;
  entries.reserve(static_cast<size_t>(vocabulary_->size()));
  for (TokenId id = 0; id < vocabulary_->size(); ++id) {
    entries.push_back({vocabulary_->spelling(id), static_cast<uint32_t>(id)});
  }
  matcher_ = PrefixMatcher(std::move(entries));
  for (int byte = 0; byte_fallback && byte < 256; ++byte) {
    const TokenId id = vocabulary_->find(fallback_spelling(static_cast<uint8_t>(byte)));
    if (id == kNoToken) fail("byte_fallback needs all 256 byte tokens; one is missing");
    byte_tokens_.push_back(id);
  }
}

void UnigramModel::find_best_cut(std::string_view text, std::vector<Best>& best) const {
  best.assign(text.size() + 1, Best{});
  best[0].reached = true;
  const auto offer = [&](size_t begin, size_t end, TokenId id, double score) {
    const double sum = best[begin].score + score;
    if (best[end].reached && sum <= best[end].score) return;
    best[end] = {sum, static_cast<uint32_t>(begin), id, true};
  };
  for (size_t begin = 0; begin < text.size();) {
    const size_t character = utf8_unit(text.substr(begin)).length;
    bool has_single = false;
    matcher_.for_each_prefix(text.substr(begin), [&](size_t length, uint32_t id) {
      has_single = has_single || length == character;
      offer(begin, begin + length, static_cast<TokenId>(id), scores_[id]);
    });
    if (!has_single) offer(begin, begin + character, kNoToken, unknown_score_);
    begin += character;
  }
}

void UnigramModel::encode(std::span<const Pieces::Piece> pieces, std::vector<TokenId>& out) const {
  std::vector<Best> best;
  for (const Pieces::Piece& piece : pieces) {
    check_piece_size(piece.text);
    find_best_cut(piece.text, best);
    std::vector<std::pair<size_t, size_t>> tokens;  // begin and end, from the last to the first
    for (size_t end = piece.text.size(); end > 0; end = best[end].begin) {
      const bool is_unknown = best[end].id == kNoToken || best[end].id == unknown_;
      if (is_unknown && !tokens.empty() && tokens.back().first == end &&
          (best[tokens.back().second].id == kNoToken ||
           best[tokens.back().second].id == unknown_)) {
        tokens.back().first = best[end].begin;  // neighbouring unknown characters are one
      } else {
        tokens.emplace_back(best[end].begin, end);
      }
    }
    for (auto token = tokens.rbegin(); token != tokens.rend(); ++token) {
      const TokenId id = best[token->second].id;
      if (id != kNoToken && id != unknown_) {
        out.push_back(id);
      } else {
        append_unknown(piece.text.substr(token->first, token->second - token->first), out);
      }
    }
  }
}

void UnigramModel::append_unknown(std::string_view text, std::vector<TokenId>& out) const {
  if (!byte_tokens_.empty()) {
    for (const char byte : text) out.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
  } else if (unknown_ != kNoToken) {
    out.push_back(unknown_);
  } else {
    fail("the text \"{}\" has no token, and the vocabulary has none for unknown text", text);
  }
}

}  // namespace octet::tokenizer

// SentencePiece's BPE as GGUF files carry it: neighbours merge into any token, best score first.
#include "tokenizer/score_bpe.h"

#include "tokenizer/bpe.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer {

ScoreBpeModel::ScoreBpeModel(std::shared_ptr<const Vocabulary> vocabulary,
                             std::vector<uint32_t> rank, TokenId unknown)
    : vocabulary_(std::move(vocabulary)), rank_(std::move(rank)), unknown_(unknown) {
  for (int byte = 0; byte < 256; ++byte) {
    const TokenId id = vocabulary_->find(fallback_spelling(static_cast<uint8_t>(byte)));
    if (id == kNoToken) {
      byte_tokens_.clear();
      break;
    }
    byte_tokens_.push_back(id);
  }
}

TokenId ScoreBpeModel::text_token(std::string_view text) const {
  const TokenId id = vocabulary_->find(text);
  return id == kNoToken || rank_[static_cast<size_t>(id)] == kNoSymbol ? kNoToken : id;
}

void ScoreBpeModel::encode(std::span<const Pieces::Piece> pieces, std::vector<TokenId>& out) const {
  Merger merger;
  for (const Pieces::Piece& piece : pieces) {
    const std::string_view text = piece.text;
    check_piece_size(text);
    merger.symbols.clear();
    for (size_t i = 0; i < text.size();) {
      const size_t length = utf8_unit(text.substr(i)).length;
      merger.append(text_token(text.substr(i, length)), i, length);
      i += length;
    }
    merger.merge([&](const Symbol& left, const Symbol& right) -> std::optional<MergedPair> {
      const TokenId id = text_token(text.substr(left.begin, left.length + right.length));
      if (id == kNoToken) return std::nullopt;
      return MergedPair{rank_[static_cast<size_t>(id)], id};
    });
    for (const Symbol& symbol : merger.symbols) {
      if (symbol.length == 0) continue;
      if (symbol.id != kNoToken) {
        out.push_back(symbol.id);
      } else {
        append_unknown(text.substr(symbol.begin, symbol.length), out);
      }
    }
  }
}

void ScoreBpeModel::append_unknown(std::string_view text, std::vector<TokenId>& out) const {
  if (byte_tokens_.empty()) {
    if (unknown_ != kNoToken) out.push_back(unknown_);
    return;
  }
  for (const char byte : text) out.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
}

}  // namespace octet::tokenizer

// Byte-pair encoding by a list of merges, over bytes (GPT-2) or characters (LLaMA's
// tokenizer.json).
#include "tokenizer/bpe.h"

#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer {

void MergeTable::reserve(size_t merges) {
  merges_.reserve(merges);
  size_t slots = 256;
  while (slots < merges * 2) slots *= 2;
  if (slots > slots_.size()) rehash(slots);
}

void MergeTable::add(TokenId left, TokenId right, TokenId merged) {
  if ((merges_.size() + 1) * 2 > slots_.size()) {
    rehash(slots_.empty() ? 256 : slots_.size() * 2);
  }
  const auto index = static_cast<uint32_t>(merges_.size());
  merges_.push_back({left, right, merged});
  const size_t slot = slot_of(left, right);
  if (slots_[slot] == kNoSymbol) slots_[slot] = index;
}

void MergeTable::rehash(size_t slots) {
  slots_.assign(slots, kNoSymbol);
  for (uint32_t index = 0; index < merges_.size(); ++index) {
    const size_t slot = slot_of(merges_[index].left, merges_[index].right);
    if (slots_[slot] == kNoSymbol) slots_[slot] = index;
  }
}

// Where the pair stands, or the empty slot where it would.
size_t MergeTable::slot_of(TokenId left, TokenId right) const {
  const uint64_t key =
      static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  const size_t mask = slots_.size() - 1;
  const uint64_t mixed = key * 0x9E3779B97F4A7C15u;  // Fibonacci hashing; the top bits are good
  size_t slot = static_cast<size_t>(mixed >> 32 ^ mixed >> 15) & mask;
  while (slots_[slot] != kNoSymbol) {
    const Merge& merge = merges_[slots_[slot]];
    if (merge.left == left && merge.right == right) break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

std::optional<MergedPair> MergeTable::find(TokenId left, TokenId right) const {
  if (slots_.empty()) return std::nullopt;
  const uint32_t index = slots_[slot_of(left, right)];
  if (index == kNoSymbol) return std::nullopt;
  return MergedPair{index, merges_[index].merged};
}

size_t MergeTable::memory_bytes() const {
  return merges_.capacity() * sizeof(Merge) + slots_.capacity() * sizeof(uint32_t);
}

BpeModel::BpeModel(std::shared_ptr<const Vocabulary> vocabulary, MergeTable merges,
                   BpeOptions options)
    : vocabulary_(std::move(vocabulary)), merges_(std::move(merges)), options_(options) {
  byte_tokens_.fill(kNoToken);
  for (int byte = 0; byte < 256; ++byte) {
    const auto value = static_cast<uint8_t>(byte);
    if (options_.byte_level) {
      byte_tokens_[value] = vocabulary_->find(spell_byte(value));
    } else if (options_.byte_fallback) {
      byte_tokens_[value] = vocabulary_->find(fallback_spelling(value));
    }
  }
}

void BpeModel::encode(std::span<const Pieces::Piece> pieces, std::vector<TokenId>& out) const {
  Merger merger;
  for (const Pieces::Piece& piece : pieces) {
    check_piece_size(piece.text);
    if (options_.ignore_merges) {
      const TokenId whole = options_.byte_level ? vocabulary_->find(spell_bytes(piece.text))
                                                : vocabulary_->find(piece.text);
      if (whole != kNoToken) {
        out.push_back(whole);
        continue;
      }
    }
    merger.symbols.clear();
    append_symbols(piece.text, merger);
    merger.merge(
        [&](const Symbol& left, const Symbol& right) { return merges_.find(left.id, right.id); });
    for (const Symbol& symbol : merger.symbols) {
      if (symbol.length != 0) out.push_back(symbol.id);
    }
  }
}

void BpeModel::append_symbols(std::string_view piece, Merger& merger) const {
  if (options_.byte_level) {
    for (size_t i = 0; i < piece.size(); ++i) {
      const TokenId id = byte_tokens_[static_cast<uint8_t>(piece[i])];
      if (id != kNoToken) {
        merger.append(id, i, 1);
      } else {
        append_unknown(piece, i, 1, merger);
      }
    }
    return;
  }
  for (size_t i = 0; i < piece.size();) {
    const size_t length = utf8_unit(piece.substr(i)).length;
    const TokenId id = vocabulary_->find(piece.substr(i, length));
    if (id != kNoToken) {
      merger.append(id, i, length);
    } else {
      append_unknown(piece, i, length, merger);
    }
    i += length;
  }
}

void BpeModel::append_unknown(std::string_view piece, size_t begin, size_t length,
                              Merger& merger) const {
  if (options_.byte_fallback) {
    bool all_known = true;
    for (size_t i = begin; i < begin + length; ++i) {
      all_known = all_known && byte_tokens_[static_cast<uint8_t>(piece[i])] != kNoToken;
    }
    if (all_known) {
      for (size_t i = begin; i < begin + length; ++i) {
        merger.append(byte_tokens_[static_cast<uint8_t>(piece[i])], i, 1);
      }
      return;
    }
  }
  if (options_.unknown == kNoToken) return;
  if (options_.fuse_unknown && !merger.symbols.empty()) {
    Symbol& last = merger.symbols.back();
    if (last.id == options_.unknown && last.begin + last.length == begin) {
      last.length += static_cast<uint32_t>(length);
      return;
    }
  }
  merger.append(options_.unknown, begin, length);
}

void add_merge(std::string_view left, std::string_view right, const Vocabulary& vocabulary,
               const MergePlace& place, MergeTable& table) {
  const TokenId left_id = vocabulary.find(left);
  const TokenId right_id = vocabulary.find(right);
  const std::string both = std::string(left) + std::string(right);
  const TokenId merged = vocabulary.find(both);
  if (left_id == kNoToken || right_id == kNoToken || merged == kNoToken) {
    const std::string_view missing =
        left_id == kNoToken ? left : (right_id == kNoToken ? right : std::string_view(both));
    fail("{}: {} {} needs the token \"{}\", which the vocabulary does not have", place.file,
         place.unit, place.number, replace_broken_utf8(missing));
  }
  table.add(left_id, right_id, merged);
}

void add_merge(std::string_view pair, const Vocabulary& vocabulary, const MergePlace& place,
               MergeTable& table) {
  const size_t space = pair.find(' ');
  const bool one_space =
      space != std::string_view::npos && pair.find(' ', space + 1) == std::string_view::npos;
  if (!one_space || space == 0 || space + 1 == pair.size()) {
    fail("{}: {} {} is not two tokens separated by a space", place.file, place.unit, place.number);
  }
  add_merge(pair.substr(0, space), pair.substr(space + 1), vocabulary, place, table);
}

std::string fallback_spelling(uint8_t byte) {
  return fmt::format("<0x{:02X}>", byte);
}

}  // namespace octet::tokenizer

// Byte-pair encoding by a list of merges, over bytes (GPT-2) or characters (LLaMA's
// tokenizer.json).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/merge.h"
#include "tokenizer/model.h"
#include "tokenizer/vocabulary.h"

namespace octet::tokenizer {

/// Merges by rank: pairs of token ids in open addressing.
class MergeTable {
 public:
  void reserve(size_t merges);

  /// Adds the next merge; of two for one pair the first counts.
  void add(TokenId left, TokenId right, TokenId merged);

  std::optional<MergedPair> find(TokenId left, TokenId right) const;

  size_t memory_bytes() const;

 private:
  struct Merge {
    TokenId left;
    TokenId right;
    TokenId merged;
  };

  void rehash(size_t slots);
  size_t slot_of(TokenId left, TokenId right) const;

  std::vector<Merge> merges_;
  std::vector<uint32_t> slots_;
};

struct BpeOptions {
  bool byte_level = false;     ///< the vocabulary spells bytes (byte_level.h)
  bool byte_fallback = false;  ///< unknown characters become tokens "<0x41>"
  bool ignore_merges = false;  ///< a piece that is a token needs no merging
  bool fuse_unknown = false;   ///< neighbouring unknown characters are one token
  TokenId unknown = kNoToken;  ///< without it, what is unknown is left out
};

class BpeModel final : public Model {
 public:
  BpeModel(std::shared_ptr<const Vocabulary> vocabulary, MergeTable merges, BpeOptions options);

  void encode(std::span<const Pieces::Piece> pieces, std::vector<TokenId>& out) const override;

 private:
  void append_symbols(std::string_view piece, Merger& merger) const;
  void append_unknown(std::string_view piece, size_t begin, size_t length, Merger& merger) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::array<TokenId, 256> byte_tokens_;  // a byte's token, spelled or fallback; kNoToken: none
};

/// Where a merge stands, for error messages: "merges.txt: line 7".
struct MergePlace {
  std::string_view file;
  std::string_view unit;
  size_t number;
};

/// Adds the merge of two spellings in `vocabulary` to `table`; throws Error when a token is
/// missing there.
void add_merge(std::string_view left, std::string_view right, const Vocabulary& vocabulary,
               const MergePlace& place, MergeTable& table);

/// The same for "left right"; throws Error when there is not just one space.
void add_merge(std::string_view pair, const Vocabulary& vocabulary, const MergePlace& place,
               MergeTable& table);

/// How byte fallback spells `byte`: "<0x0A>".
std::string fallback_spelling(uint8_t byte);

}  // namespace octet::tokenizer

// A vocabulary in little memory: every spelling in one string, found through one table of indices.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/token_id.h"

namespace octet::tokenizer {

/// Larger ids than this are refused: tables are indexed by id.
inline constexpr TokenId kMaximumTokenId = (1 << 22) - 1;

class Vocabulary {
 public:
  /// Adds a token. Of two with one spelling find() knows the first; of two with one id spelling()
  /// knows the first. Throws Error for an id outside [0, kMaximumTokenId].
  void add(std::string_view spelling, TokenId id);

  void reserve(size_t tokens, size_t bytes);

  /// The id of `spelling`, or kNoToken.
  TokenId find(std::string_view spelling) const;

  /// The spelling of `id`, empty when there is no such token.
  std::string_view spelling(TokenId id) const;

  bool has(TokenId id) const;

  /// One more than the largest id.
  int64_t size() const { return static_cast<int64_t>(entry_of_id_.size()); }

  /// Bytes of the tables (for tests of their size).
  size_t memory_bytes() const;

 private:
  struct Entry {
    uint32_t offset;
    uint32_t length;
    TokenId id;
  };

  std::string_view text(const Entry& entry) const {
    return std::string_view(arena_).substr(entry.offset, entry.length);
  }
  void rehash(size_t slots);

  std::string arena_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> entry_of_id_;
  std::vector<uint32_t> slots_;  // open addressing over entries_; a power of two
};

}  // namespace octet::tokenizer

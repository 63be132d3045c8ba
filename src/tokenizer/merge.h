// The merging loop of byte-pair encoding in O(n log n): the best pair first, of equals the
// leftmost.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/token_id.h"

namespace octet::tokenizer {

inline constexpr uint32_t kNoSymbol = std::numeric_limits<uint32_t>::max();

/// A stretch of the text that is one token so far; a doubly linked list through indices.
struct Symbol {
  TokenId id;
  uint32_t begin;   ///< where it begins in the text, in bytes
  uint32_t length;  ///< in bytes; 0: merged into the symbol on its left
  uint32_t previous;
  uint32_t next;
};

/// What two neighbours may become; the lower rank goes first.
struct MergedPair {
  uint32_t rank;
  TokenId id;
};

class Merger {
 public:
  std::vector<Symbol> symbols;

  void append(TokenId id, size_t begin, size_t length) {
    const auto index = static_cast<uint32_t>(symbols.size());
    const uint32_t previous = index == 0 ? kNoSymbol : index - 1;
    symbols.push_back(
        {id, static_cast<uint32_t>(begin), static_cast<uint32_t>(length), previous, kNoSymbol});
    if (index > 0) symbols[index - 1].next = index;
  }

  /// Merges until no pair is left for which lookup(left, right) gives a MergedPair.
  template <typename Lookup>
  void merge(const Lookup& lookup) {
    candidates_.clear();
    for (uint32_t i = 0; i + 1 < symbols.size(); ++i) consider(i, lookup);
    std::make_heap(candidates_.begin(), candidates_.end(), Later{});
    while (!candidates_.empty()) {
      std::pop_heap(candidates_.begin(), candidates_.end(), Later{});
      const Candidate best = candidates_.back();
      candidates_.pop_back();
      const auto index = static_cast<uint32_t>(best.order);
      Symbol& left = symbols[index];
      if (left.length == 0 || left.next == kNoSymbol) continue;
      Symbol& right = symbols[left.next];
      // Symbols only grow, so the pair is the one that was queued exactly if its length is.
      if (left.length + right.length != best.length) continue;
      left.id = best.id;
      left.length = best.length;
      left.next = right.next;
      right.length = 0;
      if (left.next != kNoSymbol) symbols[left.next].previous = index;
      if (left.previous != kNoSymbol) queue(left.previous, lookup);
      queue(index, lookup);
    }
  }

 private:
  struct Candidate {
    uint64_t order;  // rank, then the index of the left symbol
    uint32_t length;
    TokenId id;
  };
  struct Later {
    bool operator()(const Candidate& a, const Candidate& b) const { return a.order > b.order; }
  };

  template <typename Lookup>
  bool consider(uint32_t left, const Lookup& lookup) {
    const uint32_t right = symbols[left].next;
    if (right == kNoSymbol) return false;
    const std::optional<MergedPair> merged = lookup(symbols[left], symbols[right]);
    if (!merged) return false;
    candidates_.push_back({uint64_t{merged->rank} << 32 | left,
                           symbols[left].length + symbols[right].length, merged->id});
    return true;
  }

  template <typename Lookup>
  void queue(uint32_t left, const Lookup& lookup) {
    if (consider(left, lookup)) {
      std::push_heap(candidates_.begin(), candidates_.end(), Later{});
    }
  }

  std::vector<Candidate> candidates_;
};

/// Symbols count bytes in 32 bits.
inline void check_piece_size(std::string_view text) {
  constexpr size_t kLimit = size_t{1} << 31;
  if (text.size() >= kLimit) fail("a text of {} bytes is too long to tokenise", text.size());
}

}  // namespace octet::tokenizer

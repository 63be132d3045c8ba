// Which pages of a KV cache are in use, by how many sequences, and what full ones hold.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace octet::runtime {

/// Counts the users of every page. A full page can be remembered by the tokens that lead to it; it
/// then outlives its users, until its memory is needed: of the pages nobody uses the one longest
/// unused goes first.
class PagePool {
 public:
  explicit PagePool(int64_t pages);

  int64_t pages() const { return static_cast<int64_t>(pages_.size()); }
  int64_t used() const { return pages() - available(); }
  /// Pages that take() can give.
  int64_t available() const { return static_cast<int64_t>(free_.size() + unused_.size()); }
  /// Remembered pages that nobody uses.
  int64_t remembered() const { return static_cast<int64_t>(unused_.size()); }

  /// A page with one user, its content unknown. There must be one available.
  int32_t take();
  /// One user more, one fewer.
  void share(int32_t page);
  void release(int32_t page);
  int64_t users(int32_t page) const { return at(page).users; }
  bool is_remembered(int32_t page) const { return at(page).chain != 0; }

  /// Stands for all tokens up to the end of a page; two are equal only when the tokens are. Nothing
  /// precedes a root, and different roots share nothing.
  using Chain = uint64_t;
  static constexpr Chain kRoots = 256;  ///< 1 … kRoots − 1 are roots

  struct Found {
    int32_t page;
    Chain chain;
  };
  /// The page that holds `tokens` after what `before` stands for. The caller must share() it before
  /// it takes another.
  std::optional<Found> find(Chain before, std::span<const int32_t> tokens) const;

  /// A page in use holds `tokens` after `before`. Where another page does already, that one stays
  /// the one to be found. Returns the chain that ends with it.
  Chain remember(int32_t page, Chain before, std::span<const int32_t> tokens);

 private:
  struct Page {
    int64_t users = 0;
    Chain chain = 0;  ///< of what it is remembered by; 0: not remembered
    Chain before = 0;
    std::vector<int32_t> tokens;
    std::list<int32_t>::iterator unused;  ///< its place in unused_ when remembered without users
  };
  Page& at(int32_t page) { return pages_[static_cast<size_t>(page)]; }
  const Page& at(int32_t page) const { return pages_[static_cast<size_t>(page)]; }
  void forget(int32_t page);

  std::vector<Page> pages_;
  std::vector<int32_t> free_;
  std::list<int32_t> unused_;  ///< remembered and without users, the longest unused first
  std::unordered_multimap<uint64_t, int32_t> by_content_;  ///< hash of (before, tokens) → page
  Chain next_chain_ = kRoots;
};

}  // namespace octet::runtime

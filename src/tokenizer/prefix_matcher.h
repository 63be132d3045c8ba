// Finds which of many strings a text starts with, by narrowing a sorted list byte by byte.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octet::tokenizer {

class PrefixMatcher {
 public:
  struct Entry {
    std::string_view text;
    uint32_t value;
  };

  PrefixMatcher() = default;

  /// Copies the texts; empty ones are left out, of equal ones the first is kept.
  explicit PrefixMatcher(std::vector<Entry> entries);

  bool empty() const { return sorted_.empty(); }

  /// Calls found(length, value) for every string that `text` starts with, shortest first.
  template <typename Found>
  void for_each_prefix(std::string_view text, Found&& found) const {
    if (text.empty() || sorted_.empty()) return;
    const auto first = static_cast<uint8_t>(text[0]);
    Range range = {first_byte_[first], first_byte_[first + 1u]};
    for (size_t depth = 1; range.begin < range.end; ++depth) {
      const Item& item = sorted_[range.begin];  // the shortest of the range comes first
      if (item.length == depth) {
        found(depth, item.value);
        ++range.begin;
      }
      if (depth == text.size()) return;
      range = narrow(range, depth, static_cast<uint8_t>(text[depth]));
    }
  }

 private:
  struct Item {
    uint32_t offset;
    uint32_t length;
    uint32_t value;
  };
  struct Range {
    uint32_t begin;
    uint32_t end;
  };

  std::string_view text(const Item& item) const {
    return std::string_view(arena_).substr(item.offset, item.length);
  }
  Range narrow(Range range, size_t depth, uint8_t byte) const;

  std::string arena_;
  std::vector<Item> sorted_;
  std::array<uint32_t, 257> first_byte_{};  // where strings with each first byte begin
};

}  // namespace octet::tokenizer

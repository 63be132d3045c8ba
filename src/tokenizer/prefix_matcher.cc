// Finds which of many strings a text starts with, by narrowing a sorted list byte by byte.
#include "tokenizer/prefix_matcher.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace octet::tokenizer {

PrefixMatcher::PrefixMatcher(std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& entry) { return entry.text.empty(); });
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.text < b.text; });
  const auto last = std::unique(entries.begin(), entries.end(),
                                [](const Entry& a, const Entry& b) { return a.text == b.text; });
  entries.erase(last, entries.end());
  sorted_.reserve(entries.size());
  for (const Entry& entry : entries) {
    if (arena_.size() + entry.text.size() > std::numeric_limits<uint32_t>::max()) {
      fail("the vocabulary's text exceeds 4 GiB");
    }
    sorted_.push_back({static_cast<uint32_t>(arena_.size()),
                       static_cast<uint32_t>(entry.text.size()), entry.value});
    arena_ += entry.text;
    ++first_byte_[static_cast<uint8_t>(entry.text[0]) + 1u];
  }
  for (size_t byte = 1; byte < first_byte_.size(); ++byte) {
    first_byte_[byte] += first_byte_[byte - 1];
  }
}

PrefixMatcher::Range PrefixMatcher::narrow(Range range, size_t depth, uint8_t byte) const {
  const auto at = [&](const Item& item) { return static_cast<uint8_t>(text(item)[depth]); };
  const auto begin = sorted_.begin() + range.begin;
  const auto end = sorted_.begin() + range.end;
  const auto low = std::partition_point(begin, end, [&](const Item& i) { return at(i) < byte; });
  const auto high = std::partition_point(low, end, [&](const Item& i) { return at(i) == byte; });
  return {static_cast<uint32_t>(low - sorted_.begin()),
          static_cast<uint32_t>(high - sorted_.begin())};
}

}  // namespace octet::tokenizer

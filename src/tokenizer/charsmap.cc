// SentencePiece's precompiled character map: a double-array trie from bytes to replacement text.
#include "tokenizer/charsmap.h"

#include <utf8proc.h>

#include <cstring>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer {
namespace {

// A unit of the darts-clone double array: bits 0–7 label, 8 has a leaf, 9 and 10–30 the offset,
// 31 is a leaf, whose value are bits 0–30.
constexpr uint32_t kLeafBit = 1u << 31;
bool has_leaf(uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
uint32_t label(uint32_t unit) {
  return unit & (kLeafBit | 0xFF);
}
uint32_t offset(uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}
uint32_t value(uint32_t unit) {
  return unit & ~kLeafBit;
}

}  // namespace

Charsmap::Charsmap(std::string_view blob) {
  uint32_t trie_bytes = 0;
  if (blob.size() < sizeof(trie_bytes)) fail("the precompiled character map is cut short");
  std::memcpy(&trie_bytes, blob.data(), sizeof(trie_bytes));
  blob.remove_prefix(sizeof(trie_bytes));
  if (trie_bytes >= blob.size() || trie_bytes % sizeof(uint32_t) != 0 || trie_bytes == 0) {
    fail("the precompiled character map of {} bytes cannot hold a trie of {} bytes", blob.size(),
         trie_bytes);
  }
  units_.resize(trie_bytes / sizeof(uint32_t));
  std::memcpy(units_.data(), blob.data(), trie_bytes);
  replacements_ = blob.substr(trie_bytes);
  check();
}

// A node's children lie in the 256 units around its offset, its leaf at the offset itself. No label
// leads to a unit with the leaf bit, but a search starts at the root whatever it is.
void Charsmap::check() const {
  for (uint32_t node = 0; node < units_.size(); ++node) {
    const uint32_t unit = units_[node];
    if (node != 0 && (unit & kLeafBit) != 0) continue;
    const uint32_t child = node ^ offset(unit);
    const bool inside = (child | 0xFF) < units_.size();
    if (!inside || (has_leaf(unit) && value(units_[child]) >= replacements_.size())) {
      fail("the precompiled character map points outside itself");
    }
  }
}

std::optional<std::string_view> Charsmap::replacement(std::string_view text) const {
  uint32_t node = offset(units_[0]);
  for (const char character : text) {
    const auto byte = static_cast<uint8_t>(character);
    if (byte == 0) return std::nullopt;
    node ^= byte;
    const uint32_t unit = units_[node];
    if (label(unit) != byte) return std::nullopt;
    node ^= offset(unit);
    if (!has_leaf(unit)) continue;
    const size_t begin = value(units_[node]);
    return std::string_view(replacements_.c_str() +
                            begin);  // ends at NUL, the string's own at most
  }
  return std::nullopt;
}

std::string Charsmap::apply(std::string_view text) const {
  constexpr size_t kLongestMappedGrapheme = 5;
  std::string out;
  out.reserve(text.size());
  const auto length_at = [&](size_t i) { return size_t{utf8_unit(text.substr(i)).length}; };
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + length_at(begin);
    utf8proc_int32_t state = 0;
    char32_t previous = decode_character(text.substr(begin), end - begin);
    while (end < text.size()) {
      const size_t length = length_at(end);
      const char32_t next = decode_character(text.substr(end), length);
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous),
                                           static_cast<utf8proc_int32_t>(next), &state)) {
        break;
      }
      previous = next;
      end += length;
    }
    const std::string_view grapheme = text.substr(begin, end - begin);
    const auto whole =
        grapheme.size() <= kLongestMappedGrapheme ? replacement(grapheme) : std::nullopt;
    if (whole) {
      out += *whole;
    } else {
      for (size_t i = begin; i < end;) {
        const std::string_view character = text.substr(i, length_at(i));
        out += replacement(character).value_or(character);
        i += character.size();
      }
    }
    begin = end;
  }
  return out;
}

}  // namespace octet::tokenizer

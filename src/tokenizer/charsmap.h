// SentencePiece's precompiled character map: a double-array trie from bytes to replacement text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octet::tokenizer {

class Charsmap {
 public:
  /// `blob`: uint32 size of the trie in bytes, its units (little-endian uint32), the replacements,
  /// each ended by NUL. Throws Error when it is cut short, or when following the trie or reading a
  /// replacement could leave it.
  explicit Charsmap(std::string_view blob);

  /// The replacement of the shortest mapped prefix of `text`, if any prefix is mapped.
  std::optional<std::string_view> replacement(std::string_view text) const;

  /// `text` normalised as Hugging Face's "Precompiled" does it: a grapheme under six bytes with a
  /// mapped prefix becomes that prefix's replacement, otherwise each of its characters by itself.
  std::string apply(std::string_view text) const;

 private:
  void check() const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace octet::tokenizer

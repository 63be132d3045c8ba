// UTF-8 as it stands in text: well-formed characters, broken bytes and their replacement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace octet::tokenizer {

/// U+FFFD, what stands for bytes that are no character.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// What stands at the start of some bytes.
struct Utf8Unit {
  enum class Kind {
    kCharacter,  ///< a well-formed character
    kBroken,     ///< bytes no continuation can make a character of
    kUnfinished  ///< the text ends inside a character that more bytes could complete
  };
  Kind kind;
  /// Bytes of it. Of broken bytes: the longest start of a character (Unicode's "maximal subpart"),
  /// or 1.
  uint8_t length;
};

/// The unit at the start of `text`, which must not be empty.
Utf8Unit utf8_unit(std::string_view text);

/// Bytes at the start of `text` that are well-formed UTF-8.
size_t well_formed_prefix(std::string_view text);

/// `text` with every maximal subpart of broken bytes replaced by U+FFFD.
std::string replace_broken_utf8(std::string_view text);

/// The code point of the well-formed character at the start of `text`.
char32_t decode_character(std::string_view text, size_t length);

/// Appends the UTF-8 form of `code_point`, which must be a Unicode scalar value.
void append_utf8(std::string& out, char32_t code_point);

/// How many U+FFFD broken bytes become.
enum class Replacement {
  kPerSubpart,  ///< one for a maximal subpart, as Rust's from_utf8_lossy
  kPerByte      ///< one for each byte, as SentencePiece decodes byte pieces
};

/// Moves whole characters from the front of `pending` to `out`, broken bytes as U+FFFD, and leaves
/// an unfinished character; with `last` nothing is left.
void take_characters(std::string& pending, Replacement replacement, bool last, std::string& out);

}  // namespace octet::tokenizer

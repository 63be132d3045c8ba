// The alphabet of byte-level BPE, in which vocabularies spell each byte as one visible character.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace octet::tokenizer {

/// The character (as UTF-8) that stands for `byte`: printable Latin-1 stands for itself, the other
/// 68 bytes for U+0100 and up in ascending order; a space is "Ġ". Source: GPT-2's encoder.
std::string_view spell_byte(uint8_t byte);

/// `bytes` in that alphabet.
std::string spell_bytes(std::string_view bytes);

/// Appends the bytes `spelling` stands for; a spelling with a character outside the alphabet
/// stands for itself.
void append_spelled_bytes(std::string_view spelling, std::string& out);

}  // namespace octet::tokenizer

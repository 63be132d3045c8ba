// The alphabet of byte-level BPE, in which vocabularies spell each byte as one visible character.
#include "tokenizer/byte_level.h"

#include <array>

#include "tokenizer/utf8.h"

namespace octet::tokenizer {
namespace {

constexpr char32_t kAlphabetSize = 256 + 68;

bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<std::string, 256> character;
  std::array<int16_t, kAlphabetSize> byte;  // by code point; -1: none

  Alphabet() {
    byte.fill(-1);
    char32_t next = 256;
    for (int value = 0; value < 256; ++value) {
      const char32_t code_point = stands_for_itself(value) ? static_cast<char32_t>(value) : next++;
      append_utf8(character[static_cast<size_t>(value)], code_point);
      byte[code_point] = static_cast<int16_t>(value);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

std::string_view spell_byte(uint8_t byte) {
  return alphabet().character[byte];
}

std::string spell_bytes(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) out += spell_byte(static_cast<uint8_t>(byte));
  return out;
}

void append_spelled_bytes(std::string_view spelling, std::string& out) {
  const Alphabet& letters = alphabet();
  const size_t start = out.size();
  for (size_t i = 0; i < spelling.size();) {
    const Utf8Unit unit = utf8_unit(spelling.substr(i));
    const char32_t code_point = unit.kind == Utf8Unit::Kind::kCharacter
                                    ? decode_character(spelling.substr(i), unit.length)
                                    : kAlphabetSize;
    if (code_point >= kAlphabetSize || letters.byte[code_point] < 0) {
      out.resize(start);
      out += spelling;
      return;
    }
    out.push_back(static_cast<char>(letters.byte[code_point]));
    i += unit.length;
  }
}

}  // namespace octet::tokenizer

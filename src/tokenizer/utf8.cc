// UTF-8 as it stands in text: well-formed characters, broken bytes and their replacement.
#include "tokenizer/utf8.h"

#include "base/error.h"

namespace octet::tokenizer {
namespace {

// Row of Unicode's table 3-7: length of the character and the range of its second byte.
struct Lead {
  uint8_t length;
  uint8_t second_low;
  uint8_t second_high;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};  // nothing above U+10FFFF
  return {0, 0, 0};
}

}  // namespace

Utf8Unit utf8_unit(std::string_view text) {
  using Kind = Utf8Unit::Kind;
  const Lead lead = lead_of(static_cast<uint8_t>(text[0]));
  if (lead.length == 0) return {Kind::kBroken, 1};
  for (uint8_t i = 1; i < lead.length; ++i) {
    if (i >= text.size()) return {Kind::kUnfinished, i};
    const auto byte = static_cast<uint8_t>(text[i]);
    const uint8_t low = i == 1 ? lead.second_low : 0x80;
    const uint8_t high = i == 1 ? lead.second_high : 0xBF;
    if (byte < low || byte > high) return {Kind::kBroken, i};
  }
  return {Kind::kCharacter, lead.length};
}

size_t well_formed_prefix(std::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    const Utf8Unit unit = utf8_unit(text.substr(end));
    if (unit.kind != Utf8Unit::Kind::kCharacter) break;
    end += unit.length;
  }
  return end;
}

std::string replace_broken_utf8(std::string_view text) {
  std::string pending(text);
  if (well_formed_prefix(pending) == pending.size()) return pending;
  std::string out;
  take_characters(pending, Replacement::kPerSubpart, true, out);
  return out;
}

char32_t decode_character(std::string_view text, size_t length) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(text[i])); };
  switch (length) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
             (byte(3) & 0x3F);
  }
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&](char32_t bits) { out.push_back(static_cast<char>(bits)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

void take_characters(std::string& pending, Replacement replacement, bool last, std::string& out) {
  const std::string_view text = pending;
  size_t position = 0;
  while (position < text.size()) {
    const Utf8Unit unit = utf8_unit(text.substr(position));
    if (unit.kind == Utf8Unit::Kind::kCharacter) {
      out.append(text, position, unit.length);
    } else {
      if (unit.kind == Utf8Unit::Kind::kUnfinished && !last) break;
      const int marks = replacement == Replacement::kPerByte ? unit.length : 1;
      for (int i = 0; i < marks; ++i) out += kReplacementCharacter;
    }
    position += unit.length;
  }
  pending.erase(0, position);
}

}  // namespace octet::tokenizer

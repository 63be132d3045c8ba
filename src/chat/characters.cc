// Python's text operations on UTF-8: characters, white space, case, and how numbers are written.
#include "chat/characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace octet::chat {
namespace {

using tokenizer::append_utf8;
using tokenizer::decode_character;

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// The character at the start of `text`, as its bytes.
std::string_view first_character(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && is_continuation(text[length])) ++length;
  return text.substr(0, length);
}

char32_t code_point(std::string_view character) {
  return decode_character(character, character.size());
}

utf8proc_category_t category(char32_t character) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(character));
}

bool is_letter(char32_t character) {
  const auto kind = category(character);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_cased(char32_t character) {
  const auto kind = category(character);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LT;
}

enum class Case { upper, lower, title };

void append_cased(std::string& out, std::string_view character, Case wanted) {
  if (wanted != Case::lower && character == "ß") {
    out += wanted == Case::upper ? "SS" : "Ss";
    return;
  }
  const auto point = static_cast<utf8proc_int32_t>(code_point(character));
  const utf8proc_int32_t mapped = wanted == Case::upper   ? utf8proc_toupper(point)
                                  : wanted == Case::lower ? utf8proc_tolower(point)
                                                          : utf8proc_totitle(point);
  append_utf8(out, static_cast<char32_t>(mapped));
}

std::string cased(std::string_view text, Case wanted) {
  std::string out;
  for (; !text.empty();) {
    const std::string_view character = first_character(text);
    append_cased(out, character, wanted);
    text.remove_prefix(character.size());
  }
  return out;
}

}  // namespace

size_t character_count(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !is_continuation(byte); }));
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> all;
  while (!text.empty()) {
    all.push_back(first_character(text));
    text.remove_prefix(all.back().size());
  }
  return all;
}

size_t character_offset(std::string_view text, size_t index) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if (is_continuation(text[at])) continue;
    if (index-- == 0) break;
  }
  return at;
}

bool is_space(char32_t character) {
  if (character < 0x80)
    return (character >= 9 && character <= 13) || (character >= 28 && character <= 32);
  return character == 0x85 || category(character) == UTF8PROC_CATEGORY_ZS || character == 0x2028 ||
         character == 0x2029;
}

std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> set) {
  const auto goes = [&set](std::string_view character) {
    return set ? set->find(character) != std::string_view::npos : is_space(code_point(character));
  };
  while (side != Side::right && !text.empty() && goes(first_character(text))) {
    text.remove_prefix(first_character(text).size());
  }
  while (side != Side::left && !text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && is_continuation(text[start])) --start;
    if (!goes(text.substr(start))) break;
    text = text.substr(0, start);
  }
  return text;
}

std::string upper(std::string_view text) {
  return cased(text, Case::upper);
}

std::string lower(std::string_view text) {
  return cased(text, Case::lower);
}

std::string capitalized(std::string_view text) {
  if (text.empty()) return "";
  const std::string_view first = first_character(text);
  return cased(first, Case::title) + cased(text.substr(first.size()), Case::lower);
}

std::string titled(std::string_view text) {
  std::string out;
  bool inside = false;
  for (std::string_view character : characters(text)) {
    append_cased(out, character, inside ? Case::lower : Case::title);
    inside = is_cased(code_point(character));
  }
  return out;
}

bool all_in(std::string_view text, Class wanted) {
  bool cased_seen = false;
  for (std::string_view character : characters(text)) {
    const char32_t point = code_point(character);
    const auto kind = category(point);
    const bool digit = kind == UTF8PROC_CATEGORY_ND;
    const bool upper_case = kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LT;
    cased_seen = cased_seen || is_cased(point);
    switch (wanted) {
      case Class::alpha:
        if (!is_letter(point)) return false;
        break;
      case Class::digit:
        if (!digit) return false;
        break;
      case Class::alphanumeric:
        if (!is_letter(point) && !digit) return false;
        break;
      case Class::space:
        if (!is_space(point)) return false;
        break;
      case Class::lower:
        if (upper_case) return false;
        break;
      case Class::upper:
        if (kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT) return false;
        break;
    }
  }
  return wanted == Class::lower || wanted == Class::upper ? cased_seen : !text.empty();
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const std::string_view character = first_character(text.substr(at));
    const char32_t point = code_point(character);
    size_t end = at + character.size();
    const bool ends = (point >= 10 && point <= 13) || (point >= 28 && point <= 30) ||
                      point == 0x85 || point == 0x2028 || point == 0x2029;
    if (ends) {
      if (point == '\r' && end < text.size() && text[end] == '\n') ++end;
      lines.push_back(text.substr(start, (keep ? end : at) - start));
      start = end;
    }
    at = end;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::string quoted(std::string_view text) {
  const char quote =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"'
                                                                                            : '\'';
  std::string out(1, quote);
  for (std::string_view character : characters(text)) {
    const char32_t point = code_point(character);
    const auto kind = category(point);
    const bool invisible = kind == UTF8PROC_CATEGORY_CN || kind >= UTF8PROC_CATEGORY_ZS;  // Z…, C…
    if (point == static_cast<char32_t>(quote) || point == '\\') {
      out += '\\';
      out += static_cast<char>(point);
    } else if (point == '\n' || point == '\r' || point == '\t') {
      out += point == '\n' ? "\\n" : point == '\r' ? "\\r" : "\\t";
    } else if (point == ' ' || !invisible) {
      out += character;
    } else {
      const auto number = static_cast<uint32_t>(point);
      out += number < 0x100     ? fmt::format("\\x{:02x}", number)
             : number < 0x10000 ? fmt::format("\\u{:04x}", number)
                                : fmt::format("\\U{:08x}", number);
    }
  }
  return out + quote;
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  // The shortest digits; then placed as Python does: with an exponent from 1e16 and below 1e-4.
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t mark = text.find('e');
  const int exponent = std::stoi(std::string(text.substr(mark + 1)));
  if (exponent >= 16 || exponent < -4) return std::string(text);
  const bool negative = text[0] == '-';
  std::string digits;
  for (char c : text.substr(0, mark)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  if (exponent < 0) {
    digits = "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  } else {
    const auto whole = static_cast<size_t>(exponent) + 1;
    if (digits.size() <= whole) {
      digits += std::string(whole - digits.size(), '0') + ".0";
    } else {
      digits.insert(whole, ".");
    }
  }
  return (negative ? "-" : "") + digits;
}

namespace {

/// Without white space around and underscores between digits; empty where Python takes no number.
std::string plain_number(std::string_view text) {
  text = strip(text, Side::both);
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      plain += text[i];
      continue;
    }
    const auto digit = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
    if (i == 0 || i + 1 == text.size() || !digit(text[i - 1]) || !digit(text[i + 1])) return "";
  }
  return plain;
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text, int base) {
  const std::string plain = plain_number(text);
  std::string_view digits = plain;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const auto prefixed = [&](char letter, int of_base) {
    const bool fits = (base == of_base || base == 0) && digits.size() > 2 && digits[0] == '0' &&
                      (digits[1] | 0x20) == letter;
    if (!fits) return;
    digits.remove_prefix(2);
    base = of_base;
  };
  prefixed('x', 16);
  prefixed('o', 8);
  prefixed('b', 2);
  if (base == 0) {
    // Python knows no octal numbers without a prefix: "010" is none.
    if (digits.size() > 1 && digits[0] == '0' &&
        digits.find_first_not_of('0') != std::string_view::npos)
      return std::nullopt;
    base = 10;
  }
  int64_t value = 0;
  const std::string signed_digits = (negative ? "-" : "") + std::string(digits);
  const char* end = signed_digits.data() + signed_digits.size();
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  const auto parsed = std::from_chars(signed_digits.data(), end, value, base);
  if (parsed.ec == std::errc::result_out_of_range) fail("the number {} is too large", plain);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

std::optional<double> parse_real(std::string_view text) {
  const std::string plain = plain_number(text);
  const char* begin = plain.data() + (plain.starts_with('+') ? 1 : 0);
  const char* end = plain.data() + plain.size();
  if (begin == end || (begin != plain.data() && *begin == '-')) return std::nullopt;
  double value = 0;
  const auto parsed = std::from_chars(begin, end, value);
  if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range) {
    // Too large is infinite, too small zero, as in Python.
    return std::strtod(plain.c_str(), nullptr);
  }
  if (std::string_view(begin, static_cast<size_t>(end - begin)).find('(') != std::string_view::npos)
    return std::nullopt;  // "nan(…)" is C's
  return value;
}

}  // namespace octet::chat

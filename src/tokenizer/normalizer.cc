// Normalisation of text before it is tokenised, as a list of steps.
#include "tokenizer/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string map_form(std::string_view text, UnicodeForm form) {
  int options = UTF8PROC_STABLE;
  const bool compose = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
  options |= compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  if (form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd) options |= UTF8PROC_COMPAT;
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t length = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &mapped, static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(mapped, std::free);
  if (length < 0) fail("cannot normalise a text: {}", utf8proc_errmsg(length));
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
}

// Sorting a run of combining marks takes time quadratic in its length, so runs longer than any
// that occur in writing are normalised in parts (compare UAX #15's stream-safe format: 30).
std::string to_form(std::string_view text, UnicodeForm form) {
  constexpr int kLongestRun = 128;
  if (is_ascii(text)) return std::string(text);
  std::string out;
  int run = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_unit(text.substr(i)).length;
    const char32_t code_point = decode_character(text.substr(i), length);
    const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code_point));
    run = property->combining_class != 0 ? run + 1 : 0;
    i += length;
    if (run == kLongestRun) {
      out += map_form(text.substr(begin, i - begin), form);
      begin = i;
      run = 0;
    }
  }
  if (begin == 0) return map_form(text, form);
  return out + map_form(text.substr(begin), form);
}

std::string to_lower(std::string_view text) {
  constexpr char32_t kCapitalIWithDot = 0x130;  // the one letter with a longer lowercase
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_unit(text.substr(i)).length;
    const char32_t code_point = decode_character(text.substr(i), length);
    if (code_point == kCapitalIWithDot) {
      out += "i\u0307";
    } else {
      append_utf8(
          out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point))));
    }
    i += length;
  }
  return out;
}

std::string_view strip(std::string_view text, const StripSpace& ends) {
  size_t begin = text.size();  // of what stays: from the first to the last character not a space
  size_t end = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_unit(text.substr(i)).length;
    if (!is_white_space(decode_character(text.substr(i), length))) {
      begin = std::min(begin, i);
      end = i + length;
    }
    i += length;
  }
  if (begin == text.size()) return {};
  if (!ends.left) begin = 0;
  if (!ends.right) end = text.size();
  return text.substr(begin, end - begin);
}

struct Apply {
  std::string_view text;

  std::string operator()(UnicodeForm form) const { return to_form(text, form); }
  std::string operator()(const Lowercase&) const { return to_lower(text); }
  std::string operator()(const Prepend& prepend) const {
    return text.empty() ? std::string() : prepend.text + std::string(text);
  }
  std::string operator()(const StripSpace& ends) const { return std::string(strip(text, ends)); }
  std::string operator()(const Replacer& replacer) const { return replacer.apply(text); }
  std::string operator()(const Charsmap& charsmap) const { return charsmap.apply(text); }
};

}  // namespace

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

Replacer Replacer::of_text(std::string_view text, std::string content) {
  if (text.empty()) fail("cannot replace the empty text");
  Replacer replacer;
  replacer.text_ = text;
  replacer.content_ = std::move(content);
  return replacer;
}

Replacer Replacer::of_pattern(std::string_view pattern, std::string content) {
  Replacer replacer;
  replacer.pattern_.emplace_back(pattern);
  replacer.content_ = std::move(content);
  return replacer;
}

std::string Replacer::apply(std::string_view text) const {
  std::string out;
  size_t copied = 0;
  const auto replace = [&](size_t begin, size_t end) {
    out += text.substr(copied, begin - copied);
    out += content_;
    copied = end;
  };
  if (!pattern_.empty()) {
    pattern_.front().for_each_match(text, replace);
  } else {
    for (size_t at = text.find(text_); at != std::string_view::npos;
         at = text.find(text_, at + text_.size())) {
      replace(at, at + text_.size());
    }
  }
  out += text.substr(copied);
  return out;
}

std::string Normalizer::apply(std::string_view text) const {
  std::string current(text);
  for (const NormalizerStep& step : steps_) current = std::visit(Apply{current}, step);
  return current;
}

}  // namespace octet::tokenizer

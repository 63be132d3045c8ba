// Cuts a chat template into data and the tokens of its tags, with transformers' white-space rules.
#include "chat/lexer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "chat/characters.h"
#include "tokenizer/utf8.h"

namespace octet::chat {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool is_name_part(char c) {
  return is_name_start(c) || is_digit(c);
}

/// One line end for all, and none at the end of the text.
std::string with_plain_line_ends(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    plain += text[i] == '\r' ? '\n' : text[i];
  }
  if (plain.ends_with('\n')) plain.pop_back();
  return plain;
}

class Lexer {
 public:
  Lexer(std::string_view text, const std::string& source)
      : text_(with_plain_line_ends(text)), source_(source) {}

  std::vector<Token> run() {
    if (tokenizer::well_formed_prefix(text_) != text_.size()) {
      fail("{}: is not UTF-8", source_);
    }
    while (at_ < text_.size()) read_until_tag();
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: line {}: {}", source_, line_, fmt::format(format, std::forward<Args>(args)...));
  }

  bool looking_at(std::string_view what) const {
    return std::string_view(text_).substr(at_).starts_with(what);
  }
  bool at_end() const { return at_ >= text_.size(); }
  char current() const { return text_[at_]; }

  void add(Token::Kind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }

  /// Goes on to `end`, counting lines.
  void advance_to(size_t end) {
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end;
  }

  void skip_space() {
    const std::string_view rest = std::string_view(text_).substr(at_);
    advance_to(at_ + rest.size() - strip(rest, Side::left).size());
  }

  /// Data from `begin` to the tag that starts at `end`, less what the tag takes away: all white
  /// space before with "-"; else, of blocks and comments, the white space from the line's start.
  void add_data(size_t begin, size_t end, char sign, bool is_variable) {
    std::string_view data = std::string_view(text_).substr(begin, end - begin);
    if (sign == '-') {
      data = strip(data, Side::right);
    } else if (sign != '+' && !is_variable) {
      const size_t line_start = data.rfind('\n') + 1;
      if ((line_start > 0 || at_line_start_) && strip(data.substr(line_start), Side::both).empty())
        data = data.substr(0, line_start);
    }
    if (!data.empty()) add(Token::Kind::data, std::string(data));
    advance_to(end);
  }

  /// Past the end of a block or comment whose mark ("%}", "#}") ends at `end`, and the line end
  /// behind it or, with "-", all white space.
  void finish_tag(size_t end, char sign, bool trims) {
    advance_to(end);
    if (sign == '-') {
      skip_space();
    } else if (trims && sign != '+' && looking_at("\n")) {
      advance_to(at_ + 1);
    }
    at_line_start_ = text_[at_ - 1] == '\n';
  }

  void read_until_tag() {
    size_t tag = text_.find('{', at_);
    while (tag != std::string::npos &&
           (tag + 1 == text_.size() ||
            std::string_view("%{#").find(text_[tag + 1]) == std::string_view::npos))
      tag = text_.find('{', tag + 1);
    if (tag == std::string::npos) {
      add(Token::Kind::data, text_.substr(at_));
      advance_to(text_.size());
      return;
    }
    const char kind = text_[tag + 1];
    const char next = tag + 2 < text_.size() ? text_[tag + 2] : ' ';
    const char sign = next == '-' || next == '+' ? next : ' ';
    add_data(at_, tag, sign, kind == '{');
    const size_t inside = tag + (sign == ' ' ? 2 : 3);
    if (kind == '#') {
      read_comment(inside);
    } else if (const auto raw = kind == '%' ? raw_end(inside, "raw") : std::nullopt) {
      read_raw(*raw);
    } else {
      advance_to(inside);
      read_tag(kind == '{');
    }
  }

  void read_comment(size_t inside) {
    const size_t end = text_.find("#}", inside);
    if (end == std::string::npos) wrong("this comment has no end");
    finish_tag(end + 2, end > inside ? text_[end - 1] : ' ', true);
  }

  /// The end of "raw %}" or "endraw %}" at `at`, if that is what stands there.
  struct TagEnd {
    size_t end;
    char sign;
  };
  std::optional<TagEnd> raw_end(size_t at, std::string_view word) const {
    std::string_view rest = std::string_view(text_).substr(at);
    rest = strip(rest, Side::left);
    if (!rest.starts_with(word)) return std::nullopt;
    rest = strip(rest.substr(word.size()), Side::left);
    char sign = ' ';
    if (rest.starts_with('-') || (rest.starts_with('+') && word == "endraw")) {
      sign = rest[0];
      rest.remove_prefix(1);
    }
    if (!rest.starts_with("%}")) return std::nullopt;
    return TagEnd{text_.size() - rest.size() + 2, sign};
  }

  void read_raw(TagEnd begin) {
    finish_tag(begin.end, begin.sign, /*trims=*/false);
    for (size_t tag = text_.find("{%", at_); tag != std::string::npos;
         tag = text_.find("{%", tag + 1)) {
      const char next = tag + 2 < text_.size() ? text_[tag + 2] : ' ';
      const char sign = next == '-' || next == '+' ? next : ' ';
      if (const auto end = raw_end(tag + (sign == ' ' ? 2 : 3), "endraw")) {
        add_data(at_, tag, sign, false);
        finish_tag(end->end, end->sign, true);
        return;
      }
    }
    wrong("this raw block has no {{% endraw %}}");
  }

  /// The tokens of one {{ … }} or {% … %}.
  void read_tag(bool variable) {
    using Kind = Token::Kind;
    add(variable ? Kind::variable_begin : Kind::block_begin, "");
    const std::string_view mark = variable ? "}}" : "%}";
    const int first_line = line_;
    std::string open;  // brackets, which an end mark may not stand in
    for (skip_space(); !at_end(); skip_space()) {
      const bool minus = current() == '-' || (current() == '+' && !variable);
      const bool ends =
          open.empty() && std::string_view(text_).substr(at_ + (minus ? 1 : 0)).starts_with(mark);
      if (ends) {
        const char sign = minus ? current() : ' ';
        add(variable ? Kind::variable_end : Kind::block_end, "");
        finish_tag(at_ + (minus ? 3 : 2), sign, !variable);
        return;
      }
      read_token(open);
    }
    line_ = first_line;
    wrong("this tag has no {}", mark);
  }

  void read_token(std::string& open) {
    const char c = current();
    if (is_name_start(c)) {
      size_t end = at_;
      while (end < text_.size() && is_name_part(text_[end])) ++end;
      add(Token::Kind::name, text_.substr(at_, end - at_));
      at_ = end;
    } else if (is_digit(c)) {
      read_number();
    } else if (c == '"' || c == '\'') {
      read_text(c);
    } else {
      read_punctuation(open);
    }
  }

  /// The end of digits with single underscores between, from `at`.
  size_t digits_end(size_t at, bool (*digit)(char)) const {
    while (at < text_.size() && (digit(text_[at]) || (text_[at] == '_' && at + 1 < text_.size() &&
                                                      digit(text_[at + 1]))))
      ++at;
    return at;
  }

  void add_number(Token::Kind kind, size_t end) {
    std::string digits = text_.substr(at_, end - at_);
    std::erase(digits, '_');
    add(kind, std::move(digits));
    at_ = end;
  }

  void read_number() {
    const char letter = current() == '0' && at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    if (std::string_view("xXoObB").find(letter) != std::string_view::npos) {
      const auto hexadecimal = [](char c) {
        return std::isxdigit(static_cast<unsigned char>(c)) != 0;
      };
      add_number(Token::Kind::integer, digits_end(at_ + 2, hexadecimal));
      return;
    }
    size_t end = digits_end(at_, is_digit);
    bool real = false;
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
      end = digits_end(end + 1, is_digit);
      real = true;
    }
    if (end < text_.size() && (text_[end] | 0x20) == 'e') {
      size_t digits = end + 1;
      if (digits < text_.size() && (text_[digits] == '+' || text_[digits] == '-')) ++digits;
      if (digits < text_.size() && is_digit(text_[digits])) {
        end = digits_end(digits, is_digit);
        real = true;
      }
    }
    add_number(real ? Token::Kind::real : Token::Kind::integer, end);
  }

  void read_text(char quote) {
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) wrong("this text has no closing {}", quote);
    add(Token::Kind::text, unescaped(std::string_view(text_).substr(at_ + 1, end - at_ - 1)));
    advance_to(end + 1);
  }

  /// Python's escapes in a string literal.
  std::string unescaped(std::string_view text) const {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 == text.size()) {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      static constexpr std::string_view kLetters = "abfnrtv\\'\"";
      static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
      if (const size_t known = kLetters.find(c); known != std::string_view::npos) {
        out += kMeanings[known];
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        append_code_point(text.substr(i + 1, count), count, 16, out);
        i += count;
      } else if (c >= '0' && c <= '7') {
        size_t count = 1;
        while (count < 3 && i + count < text.size() && text[i + count] >= '0' &&
               text[i + count] <= '7')
          ++count;
        append_code_point(text.substr(i, count), count, 8, out);
        i += count - 1;
      } else if (c == 'N') {
        wrong("the escape \\N{{…}} is not supported");
      } else if (c != '\n') {
        out += '\\';
        out += c;
      }
    }
    return out;
  }

  void append_code_point(std::string_view digits, size_t count, int base, std::string& out) const {
    uint32_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, value, base);
    const bool surrogate = value >= 0xD800 && value < 0xE000;
    if (digits.size() != count || parsed.ec != std::errc() || parsed.ptr != end || surrogate ||
        value > 0x10FFFF) {
      wrong("the escape \\{} is no character", digits);
    }
    tokenizer::append_utf8(out, value);
  }

  void read_punctuation(std::string& open) {
    static constexpr std::array<std::string_view, 25> kMarks = {
        "==", "!=", ">=", "<=", "//", "**", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ","};
    const auto mark = std::find_if(kMarks.begin(), kMarks.end(),
                                   [this](std::string_view each) { return looking_at(each); });
    if (mark == kMarks.end()) {
      const std::string_view rest = std::string_view(text_).substr(at_);
      wrong("unexpected character '{}'", rest.substr(0, character_offset(rest, 1)));
    }
    const char c = (*mark)[0];
    if (c == '(' || c == '[' || c == '{') open += c;
    if (c == ')' || c == ']' || c == '}') {
      const char partner = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (!open.ends_with(partner)) wrong("unexpected '{}'", c);
      open.pop_back();
    }
    add(Token::Kind::punctuation, std::string(*mark));
    at_ += mark->size();
  }

  std::string text_;
  const std::string& source_;
  size_t at_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view text, const std::string& source) {
  return Lexer(text, source).run();
}

}  // namespace octet::chat

// Cuts a chat template into data and the tokens of its tags, with transformers' white-space rules.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octet::chat {

struct Token {
  enum class Kind {
    data,            ///< text between tags
    variable_begin,  ///< {{
    variable_end,
    block_begin,  ///< {%
    block_end,
    name,
    text,     ///< a string literal, its escapes replaced
    integer,  ///< digits as Python reads them, without underscores
    real,
    punctuation,  ///< an operator or bracket
    end           ///< of the template
  };
  Kind kind = Kind::end;
  std::string text;
  int line = 1;

  bool is(Kind wanted, std::string_view wanted_text) const {
    return kind == wanted && text == wanted_text;
  }
  bool is_name(std::string_view name) const { return is(Kind::name, name); }
  bool is_punctuation(std::string_view mark) const { return is(Kind::punctuation, mark); }
};

/// The tokens of `text`, the last one `end`. White space around tags goes as with Jinja's
/// trim_blocks and lstrip_blocks; comments are left out, raw blocks are data. Throws Error naming
/// `source` and the line.
std::vector<Token> tokenize(std::string_view text, const std::string& source);

}  // namespace octet::chat

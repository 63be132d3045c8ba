// Python's text operations on UTF-8: characters, white space, case, and how numbers are written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octet::chat {

// All texts must be well-formed UTF-8.

size_t character_count(std::string_view text);

/// One view for each character.
std::vector<std::string_view> characters(std::string_view text);

/// The byte at which character `index` starts; the size when there are not so many.
size_t character_offset(std::string_view text, size_t index);

/// What Python's str.isspace() says of a character.
bool is_space(char32_t character);

enum class Side { left, right, both };

/// Without the characters of `set` at its ends; without white space when there is no set.
std::string_view strip(std::string_view text, Side side,
                       std::optional<std::string_view> set = std::nullopt);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
/// The first character in upper case, the others in lower case.
std::string capitalized(std::string_view text);
/// str.title(): every letter after what is no letter in upper case, the others in lower case.
std::string titled(std::string_view text);

/// What the str.is…() methods ask: all characters (and there is one) are of the class.
enum class Class { alpha, digit, alphanumeric, space, lower, upper };
bool all_in(std::string_view text, Class wanted);

/// The lines of str.splitlines(); `keep`: with their ends.
std::vector<std::string_view> split_lines(std::string_view text, bool keep);

/// Python's repr() of a text: in quotes, with escapes.
std::string quoted(std::string_view text);

/// Python's repr() of a float: the shortest text that reads as it.
std::string real_text(double value);

/// int() of a text: white space around, a sign, digits with single underscores between.
std::optional<int64_t> parse_integer(std::string_view text, int base);
/// float() of a text.
std::optional<double> parse_real(std::string_view text);

}  // namespace octet::chat

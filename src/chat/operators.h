// Python's operators on the values of a chat template.
#pragma once

#include <optional>
#include <string_view>

#include "chat/value.h"

namespace octet::chat {

/// `left mark right` for + - * / // % **. Throws Error for types that have no such operation and
/// for whole numbers outside 64 bits.
Value arithmetic(Account& account, std::string_view mark, const Value& left, const Value& right);

/// -value or +value.
Value with_sign(Account& account, bool minus, const Value& value);

/// `element in container`.
bool contains(Account& account, const Value& container, const Value& element);

/// container[start:stop:step]; what is undefined or none is left out.
struct Slice {
  std::optional<int64_t> start;
  std::optional<int64_t> stop;
  int64_t step = 1;
};
Value sliced(Account& account, const Value& container, const Slice& slice);

/// `text` repeated; throws Error when the result is too large.
Value repeated(Account& account, const Value& value, int64_t times);

/// `format % values` for %s, %r, %d, %i and %%; others throw Error.
std::string formatted(Account& account, std::string_view format, const Value& values);

/// Where `what` first stands in `text`, in time proportional to both.
size_t find_text(Account& account, std::string_view text, std::string_view what, size_t from = 0);

}  // namespace octet::chat

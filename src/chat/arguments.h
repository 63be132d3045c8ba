// The arguments of a call, matched with the names of the function's parameters.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/value.h"

namespace octet::chat {

struct Arguments {
  std::vector<Value> positional = {};
  std::vector<std::pair<std::string, Value>> named = {};

  /// One value for each parameter, nothing where none was given. Throws Error naming `function`
  /// when one of the first `required` is absent, there are too many, or a name is unknown.
  std::vector<std::optional<Value>> match(const Account& account, std::string_view function,
                                          std::initializer_list<std::string_view> parameters,
                                          size_t required = 0) const;
};

/// The argument's value, of the type that a parameter takes. Throws Error naming `what` for others.
const std::string& text_of(const Account& account, const Value& value, std::string_view what);
int64_t integer_of(const Account& account, const Value& value, std::string_view what);
const Dict& dict_of(const Account& account, const Value& value, std::string_view what);
/// How many bytes or elements; negative counts as 0.
size_t count_of(const Account& account, const Value& value, std::string_view what);

}  // namespace octet::chat

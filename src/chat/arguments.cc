// The arguments of a call, matched with the names of the function's parameters.
#include "chat/arguments.h"

#include <algorithm>

namespace octet::chat {

std::vector<std::optional<Value>> Arguments::match(
    const Account& account, std::string_view function,
    std::initializer_list<std::string_view> parameters, size_t required) const {
  std::vector<std::optional<Value>> matched(parameters.size());
  if (positional.size() > parameters.size()) {
    account.fail("'{}' takes at most {} arguments, {} are given", function, parameters.size(),
                 positional.size());
  }
  std::copy(positional.begin(), positional.end(), matched.begin());
  for (const auto& [name, value] : named) {
    const auto* const found = std::find(parameters.begin(), parameters.end(), name);
    if (found == parameters.end()) account.fail("'{}' has no argument '{}'", function, name);
    auto& place = matched[static_cast<size_t>(found - parameters.begin())];
    if (place) account.fail("'{}' is given its argument '{}' twice", function, name);
    place = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!matched[i]) account.fail("'{}' needs the argument '{}'", function, parameters.begin()[i]);
  }
  return matched;
}

namespace {

[[noreturn]] void wrong_type(const Account& account, const Value& value, std::string_view what,
                             std::string_view wanted) {
  if (value.is_undefined()) account.fail("{}", value.absence());
  account.fail("{} must be {}, not a {}", what, wanted, value.type_name());
}

}  // namespace

const std::string& text_of(const Account& account, const Value& value, std::string_view what) {
  if (value.if_text() == nullptr) wrong_type(account, value, what, "a text");
  return *value.if_text();
}

int64_t integer_of(const Account& account, const Value& value, std::string_view what) {
  const auto integer = value.as_integer();
  if (!integer) wrong_type(account, value, what, "a whole number");
  return *integer;
}

const Dict& dict_of(const Account& account, const Value& value, std::string_view what) {
  if (value.if_dict() == nullptr) wrong_type(account, value, what, "a dict");
  return *value.if_dict();
}

size_t count_of(const Account& account, const Value& value, std::string_view what) {
  return static_cast<size_t>(std::max<int64_t>(0, integer_of(account, value, what)));
}

}  // namespace octet::chat

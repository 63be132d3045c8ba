// Finds filters and tests by their names, for templates and for filters that name others.
#include "chat/filters.h"

#include <algorithm>

namespace octet::chat {
namespace {

template <typename Entry>
const Entry* find(std::span<const Entry> entries, std::string_view name) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

}  // namespace

const Filter* find_filter(std::string_view name) {
  const Filter* filter = find(text_filters(), name);
  return filter != nullptr ? filter : find(sequence_filters(), name);
}

const Test* find_test(std::string_view name) {
  return find(value_tests(), name);
}

Value Interpreter::filtered(const std::string& filter, const Value& value,
                            const Arguments& arguments) {
  const Filter* found = find_filter(filter);
  if (found == nullptr) account_.fail("the filter '{}' is not supported", filter);
  return found->apply(*this, value, arguments);
}

bool Interpreter::passes(const std::string& test, const Value& value, const Arguments& arguments) {
  const Test* found = find_test(test);
  if (found == nullptr) account_.fail("the test '{}' is not supported", test);
  return found->holds(*this, value, arguments);
}

}  // namespace octet::chat

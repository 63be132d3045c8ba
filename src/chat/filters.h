// Jinja's filters and tests, by name.
#pragma once

#include <span>
#include <string_view>

#include "chat/interpreter.h"

namespace octet::chat {

struct Filter {
  std::string_view name;
  Value (*apply)(Interpreter& interpreter, const Value& value, const Arguments& arguments);
};

/// Filters that give texts and numbers.
std::span<const Filter> text_filters();
/// Filters that go over elements.
std::span<const Filter> sequence_filters();

struct Test {
  std::string_view name;
  bool (*holds)(Interpreter& interpreter, const Value& value, const Arguments& arguments);
};
std::span<const Test> value_tests();

/// The filter or test; null when Jinja has it not or octet does not support it.
const Filter* find_filter(std::string_view name);
const Test* find_test(std::string_view name);

/// JSON as Python's json.dumps(value, ensure_ascii=False) writes it, which is what transformers
/// makes of the filter `tojson`.
struct JsonStyle {
  bool ascii = false;
  std::string indent = {};  ///< of one level
  bool lines = false;       ///< each element on a line of its own
  std::string after_element = ", ";
  std::string after_key = ": ";
  bool sort_keys = false;
};
std::string json_text(Account& account, const Value& value, const JsonStyle& style);

}  // namespace octet::chat

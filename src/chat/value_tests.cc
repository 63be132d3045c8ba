// Jinja's tests: what can stand after `is`, and what select and reject ask.
#include <algorithm>
#include <array>

#include "chat/characters.h"
#include "chat/filters.h"
#include "chat/operators.h"

namespace octet::chat {
namespace {

/// What the value is compared with.
const Value& other(Interpreter& interpreter, const Arguments& arguments) {
  if (arguments.positional.size() != 1 || !arguments.named.empty())
    interpreter.account().fail("a comparing test needs one value to compare with");
  return arguments.positional[0];
}

bool is_multiple_plus(Interpreter& interpreter, const Value& value, int64_t rest) {
  Account& account = interpreter.account();
  return equal(account, arithmetic(account, "%", value, Value::integer(2)), Value::integer(rest));
}

bool is_less(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return less(interpreter.account(), value, other(interpreter, arguments));
}
bool is_greater(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return less(interpreter.account(), other(interpreter, arguments), value);
}
bool is_equal(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return equal(interpreter.account(), value, other(interpreter, arguments));
}
bool is_at_most(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return is_less(interpreter, value, arguments) || is_equal(interpreter, value, arguments);
}
bool is_at_least(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return is_greater(interpreter, value, arguments) || is_equal(interpreter, value, arguments);
}
bool is_unequal(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return !is_equal(interpreter, value, arguments);
}

bool is_iterable(Interpreter&, const Value& value, const Arguments&) {
  return value.if_sequence() != nullptr || value.if_dict() != nullptr ||
         value.if_text() != nullptr || value.is_undefined();
}

bool is_sequence(Interpreter&, const Value& value, const Arguments&) {
  const Sequence* sequence = value.if_sequence();
  if (sequence != nullptr) return sequence->kind <= Sequence::Kind::range;
  return value.if_dict() != nullptr || value.if_text() != nullptr || value.is_undefined();
}

bool is_divisible(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const Value divisor = other(interpreter, arguments);
  return !arithmetic(interpreter.account(), "%", value, divisor).truth();
}

constexpr auto kTests = std::to_array<Test>({
    {"defined", [](Interpreter&, const Value& v, const Arguments&) { return !v.is_undefined(); }},
    {"undefined", [](Interpreter&, const Value& v, const Arguments&) { return v.is_undefined(); }},
    {"none", [](Interpreter&, const Value& v, const Arguments&) { return v.is_none(); }},
    {"boolean",
     [](Interpreter&, const Value& v, const Arguments&) { return v.if_boolean() != nullptr; }},
    {"true",
     [](Interpreter&, const Value& v, const Arguments&) {
       return v.if_boolean() != nullptr && *v.if_boolean();
     }},
    {"false",
     [](Interpreter&, const Value& v, const Arguments&) {
       return v.if_boolean() != nullptr && !*v.if_boolean();
     }},
    {"integer",
     [](Interpreter&, const Value& v, const Arguments&) { return v.if_integer() != nullptr; }},
    {"float",
     [](Interpreter&, const Value& v, const Arguments&) { return v.if_real() != nullptr; }},
    {"number",
     [](Interpreter&, const Value& v, const Arguments&) { return v.as_number().has_value(); }},
    {"string",
     [](Interpreter&, const Value& v, const Arguments&) { return v.if_text() != nullptr; }},
    {"mapping",
     [](Interpreter&, const Value& v, const Arguments&) { return v.if_dict() != nullptr; }},
    {"iterable", is_iterable},
    {"sequence", is_sequence},
    {"callable",
     [](Interpreter&, const Value& v, const Arguments&) {
       return v.if_callable() != nullptr || v.is_undefined();
     }},
    {"odd",
     [](Interpreter& i, const Value& v, const Arguments&) { return is_multiple_plus(i, v, 1); }},
    {"even",
     [](Interpreter& i, const Value& v, const Arguments&) { return is_multiple_plus(i, v, 0); }},
    {"divisibleby", is_divisible},
    {"lower",
     [](Interpreter& i, const Value& v, const Arguments&) {
       return all_in(printed(i.account(), v), Class::lower);
     }},
    {"upper",
     [](Interpreter& i, const Value& v, const Arguments&) {
       return all_in(printed(i.account(), v), Class::upper);
     }},
    {"sameas",
     [](Interpreter& i, const Value& v, const Arguments& arguments) {
       return v.same_as(other(i, arguments));
     }},
    {"in",
     [](Interpreter& i, const Value& v, const Arguments& arguments) {
       return contains(i.account(), other(i, arguments), v);
     }},
    {"filter",
     [](Interpreter& i, const Value& v, const Arguments&) {
       return find_filter(text_of(i.account(), v, "a filter's name")) != nullptr;
     }},
    {"test",
     [](Interpreter& i, const Value& v, const Arguments&) {
       return find_test(text_of(i.account(), v, "a test's name")) != nullptr;
     }},
    {"eq", is_equal},
    {"equalto", is_equal},
    {"==", is_equal},
    {"ne", is_unequal},
    {"!=", is_unequal},
    {"lt", is_less},
    {"lessthan", is_less},
    {"<", is_less},
    {"le", is_at_most},
    {"<=", is_at_most},
    {"gt", is_greater},
    {"greaterthan", is_greater},
    {">", is_greater},
    {"ge", is_at_least},
    {">=", is_at_least},
});

}  // namespace

std::span<const Test> value_tests() {
  return kTests;
}

}  // namespace octet::chat

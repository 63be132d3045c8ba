// Runs a chat template's syntax tree: the values of expressions, and how attributes are looked up.
#include <algorithm>

#include "chat/characters.h"
#include "chat/deeper.h"
#include "chat/interpreter.h"
#include "chat/operators.h"

namespace octet::chat {

using Kind = Expression::Kind;

Value Interpreter::evaluate(const Expression& expression) {
  const Deeper deeper(account_, depth_);
  account_.at_line(expression.line);
  account_.step();
  const auto operand = [&](size_t i) { return evaluate(*expression.operands[i]); };
  switch (expression.kind) {
    case Kind::constant:
      return expression.value;
    case Kind::name:
      return evaluate_name(expression);
    case Kind::list:
      return make_sequence(account_, evaluate_all(expression.operands, 0));
    case Kind::tuple:
      return make_sequence(account_, evaluate_all(expression.operands, 0), Sequence::Kind::tuple);
    case Kind::dict:
      return evaluate_dict(expression);
    case Kind::attribute:
      return attribute(operand(0), expression.text);
    case Kind::item: {
      const Value object = operand(0);
      return item(object, operand(1));
    }
    case Kind::slice:
      return evaluate_slice(expression);
    case Kind::call:
      return evaluate_call(expression);
    case Kind::filter:
      return filter_chain(expression, {});
    case Kind::test: {
      const Value value = operand(0);
      return Value::boolean(passes(expression.text, value, evaluate_arguments(expression)));
    }
    case Kind::negation:
      return Value::boolean(!operand(0).truth());
    case Kind::minus:
    case Kind::plus:
      return with_sign(account_, expression.kind == Kind::minus, operand(0));
    case Kind::arithmetic: {
      const Value left = operand(0);
      return arithmetic(account_, expression.text, left, operand(1));
    }
    case Kind::comparison:
      return evaluate_comparison(expression);
    case Kind::concatenation:
      return evaluate_concatenation(expression);
    case Kind::conjunction: {
      Value left = operand(0);
      return left.truth() ? operand(1) : left;
    }
    case Kind::disjunction: {
      Value left = operand(0);
      return left.truth() ? left : operand(1);
    }
    case Kind::choice:
      return evaluate_choice(expression);
  }
  return {};
}

Value Interpreter::evaluate_name(const Expression& expression) {
  const Value* found = scope_->find(account_, expression.text);
  return found != nullptr ? *found
                          : Value::undefined(fmt::format("'{}' is undefined", expression.text));
}

std::vector<Value> Interpreter::evaluate_all(const std::vector<const Expression*>& expressions,
                                             size_t from) {
  std::vector<Value> values;
  for (size_t i = from; i < expressions.size(); ++i) values.push_back(evaluate(*expressions[i]));
  return values;
}

Value Interpreter::evaluate_dict(const Expression& expression) {
  std::vector<Pair> pairs;
  for (size_t i = 0; i < expression.operands.size(); i += 2) {
    Value key = evaluate(*expression.operands[i]);
    pairs.emplace_back(std::move(key), evaluate(*expression.operands[i + 1]));
  }
  return make_dict(account_, std::move(pairs));
}

Value Interpreter::evaluate_slice(const Expression& expression) {
  const Value object = evaluate(*expression.operands[0]);
  std::optional<int64_t> bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (expression.operands[i + 1] == nullptr) continue;
    const Value bound = evaluate(*expression.operands[i + 1]);
    if (!bound.is_none()) bounds[i] = integer_of(account_, bound, "a bound of a slice");
  }
  return sliced(account_, object, {bounds[0], bounds[1], bounds[2].value_or(1)});
}

bool Interpreter::compare(const std::string& mark, const Value& left, const Value& right) {
  if (mark == "==") return equal(account_, left, right);
  if (mark == "!=") return !equal(account_, left, right);
  if (mark == "in") return contains(account_, right, left);
  if (mark == "not in") return !contains(account_, right, left);
  if (mark == "<") return less(account_, left, right);
  if (mark == ">") return less(account_, right, left);
  // With a NaN no order holds, so that <= is not the opposite of >.
  const bool ordered = equal(account_, left, right);
  if (mark == "<=") return less(account_, left, right) || ordered;
  return less(account_, right, left) || ordered;
}

Value Interpreter::evaluate_comparison(const Expression& expression) {
  Value left = evaluate(*expression.operands[0]);
  for (size_t i = 0; i < expression.marks.size(); ++i) {
    Value right = evaluate(*expression.operands[i + 1]);
    if (!compare(expression.marks[i], left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::evaluate_concatenation(const Expression& expression) {
  std::string text;
  for (const Expression* operand : expression.operands)
    text += printed(account_, evaluate(*operand));
  return Value::text(std::move(text));
}

Value Interpreter::evaluate_choice(const Expression& expression) {
  if (evaluate(*expression.operands[1]).truth()) return evaluate(*expression.operands[0]);
  if (expression.operands[2] != nullptr) return evaluate(*expression.operands[2]);
  return Value::undefined("the 'if' without 'else' does not hold; its value is undefined");
}

Arguments Interpreter::evaluate_arguments(const Expression& expression) {
  Arguments arguments;
  arguments.positional = evaluate_all(expression.operands, 1);
  for (const auto& [name, expression_of_value] : expression.named) {
    const Value value = evaluate(*expression_of_value);
    if (name == "*") {
      const std::vector<Value> more = elements_of(account_, value);
      arguments.positional.insert(arguments.positional.end(), more.begin(), more.end());
    } else if (name == "**") {
      for (const auto& [key, argument] : dict_of(account_, value, "what follows '**'").pairs)
        arguments.named.emplace_back(text_of(account_, key, "a name of '**'"), argument);
    } else {
      arguments.named.emplace_back(name, value);
    }
  }
  return arguments;
}

Value Interpreter::evaluate_call(const Expression& expression) {
  const Value function = evaluate(*expression.operands[0]);
  const Arguments arguments = evaluate_arguments(expression);
  account_.at_line(expression.line);
  return call(function, arguments);
}

Value Interpreter::filter_chain(const Expression& filter, const Value& value) {
  const Deeper deeper(account_, depth_);
  const Expression* inner = filter.operands[0];
  Value argument = value;
  if (inner != nullptr) {
    argument = inner->kind == Kind::filter ? filter_chain(*inner, value) : evaluate(*inner);
  }
  const Arguments arguments = evaluate_arguments(filter);
  account_.at_line(filter.line);
  account_.step();
  return filtered(filter.text, argument, arguments);
}

Value Interpreter::call(const Value& function, const Arguments& arguments) {
  const Callable* callable = function.if_callable();
  if (callable == nullptr) {
    if (function.is_undefined()) account_.fail("{}", function.absence());
    account_.fail("a {} cannot be called", function.type_name());
  }
  switch (callable->kind) {
    case Callable::Kind::global:
      return call_global(*this, callable->name, arguments);
    case Callable::Kind::method:
      return call_method(*this, *callable, arguments);
    case Callable::Kind::macro:
      break;
  }
  return call_macro(*callable, arguments);
}

namespace {

Value bound_method(const Account& account, const Value& object, const std::string& name) {
  Callable method;
  method.kind = Callable::Kind::method;
  method.name = name;
  method.self = object;
  if (object.depth() >= kDeepestValue) account.fail("a value is nested too deeply");
  return Value::of(std::make_shared<const Callable>(std::move(method)));
}

Value no_attribute(const Value& object, std::string_view name) {
  return Value::undefined(fmt::format("a {} has no '{}'", object.type_name(), name));
}

/// The element that an index means, counted from the end when negative.
template <typename Size>
std::optional<size_t> position(int64_t index, Size size) {
  const auto count = static_cast<int64_t>(size);
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return static_cast<size_t>(index);
}

std::optional<Value> element_at(Account& account, const Value& object, int64_t index) {
  if (const Sequence* sequence = object.if_sequence();
      sequence != nullptr && sequence->kind <= Sequence::Kind::range) {
    const auto at = position(index, sequence->elements.size());
    if (at) return sequence->elements[*at];
  } else if (const std::string* text = object.if_text()) {
    account.bytes(text->size() / 4);
    const auto at = position(index, character_count(*text));
    if (!at) return std::nullopt;
    const size_t begin = character_offset(*text, *at);
    const std::string_view rest = std::string_view(*text).substr(begin);
    return Value::text(std::string(rest.substr(0, character_offset(rest, 1))));
  }
  return std::nullopt;
}

}  // namespace

Value Interpreter::attribute(const Value& object, const std::string& name) {
  if (object.is_undefined()) account_.fail("{}", object.absence());
  if (has_method(object, name)) return bound_method(account_, object, name);
  if (const Dict* dict = object.if_dict()) {
    if (const Value* found = dict->find(account_, name)) return *found;
  } else if (const Namespace* space = object.if_namespace()) {
    if (const Value* found = space->find(account_, name)) return *found;
  } else if (const Loop* loop = object.if_loop()) {
    return loop_attribute(account_, *loop, name);
  }
  return no_attribute(object, name);
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) account_.fail("{}", object.absence());
  if (const Dict* dict = object.if_dict(); dict != nullptr && is_hashable(key)) {
    if (const Value* found = dict->find(account_, key)) return *found;
  } else if (const auto index = key.as_integer()) {
    if (const auto found = element_at(account_, object, *index)) return *found;
    return Value::undefined(fmt::format("a {} has no element {}", object.type_name(), *index));
  }
  const std::string* name = key.if_text();
  if (name == nullptr) return no_attribute(object, key.type_name());
  if (has_method(object, *name)) return bound_method(account_, object, *name);
  return object.if_dict() != nullptr ? no_attribute(object, *name) : attribute(object, *name);
}

Value Interpreter::new_namespace(std::vector<std::pair<std::string, Value>> attributes) {
  account_.elements(attributes.size() + 4);
  Namespace& made = namespaces_.emplace_back();
  for (auto& [name, value] : attributes) made.set(account_, name, std::move(value));
  return Value::of(&made);
}

Value loop_attribute(Account& account, const Loop& loop, const std::string& name) {
  const auto index = static_cast<int64_t>(loop.index);
  const auto length = static_cast<int64_t>(loop.elements.size());
  if (name == "index") return Value::integer(index + 1);
  if (name == "index0") return Value::integer(index);
  if (name == "revindex") return Value::integer(length - index);
  if (name == "revindex0") return Value::integer(length - index - 1);
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index == length - 1);
  if (name == "length") return Value::integer(length);
  if (name == "depth") return Value::integer(1);
  if (name == "depth0") return Value::integer(0);
  if (name == "previtem") {
    return index > 0 ? loop.elements[loop.index - 1]
                     : Value::undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return index + 1 < length ? loop.elements[loop.index + 1]
                              : Value::undefined("there is no next item");
  }
  account.fail("'loop.{}' is not supported", name);
}

}  // namespace octet::chat

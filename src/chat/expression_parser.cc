// Makes a syntax tree of a template's tokens: the expressions.
#include <algorithm>
#include <array>
#include <charconv>

#include "chat/characters.h"
#include "chat/parser.h"

namespace octet::chat {

using Kind = Expression::Kind;

Expression* Parser::make(Expression::Kind kind, int line, std::vector<const Expression*> operands) {
  Expression& expression = tree_.expressions.emplace_back();
  expression.kind = kind;
  expression.line = line;
  expression.operands = std::move(operands);
  return &expression;
}

const Expression* Parser::parse_expression(bool with_choice) {
  const Nested nested(*this);
  const Expression* expression = parse_or();
  while (with_choice && at_name("if")) {
    const int line = next().line;
    const Expression* condition = parse_or();
    const Expression* otherwise = take_name("else") ? parse_expression() : nullptr;
    expression = make(Kind::choice, line, {expression, condition, otherwise});
  }
  return expression;
}

const Expression* Parser::parse_or() {
  const Expression* left = parse_and();
  while (at_name("or")) {
    const int line = next().line;
    left = make(Kind::disjunction, line, {left, parse_and()});
  }
  return left;
}

const Expression* Parser::parse_and() {
  const Expression* left = parse_not();
  while (at_name("and")) {
    const int line = next().line;
    left = make(Kind::conjunction, line, {left, parse_not()});
  }
  return left;
}

const Expression* Parser::parse_not() {
  if (!at_name("not")) return parse_comparison();
  const Nested nested(*this);
  const int line = next().line;
  return make(Kind::negation, line, {parse_not()});
}

const Expression* Parser::parse_comparison() {
  static constexpr std::array<std::string_view, 6> kMarks = {"==", "!=", "<", "<=", ">", ">="};
  const Expression* first = parse_sum();
  Expression* comparison = nullptr;
  for (;;) {
    std::string mark;
    if (current().kind == Token::Kind::punctuation &&
        std::find(kMarks.begin(), kMarks.end(), current().text) != kMarks.end()) {
      mark = current().text;
    } else if (at_name("in")) {
      mark = "in";
    } else if (at_name("not") && following().is_name("in")) {
      next();
      mark = "not in";
    } else {
      break;
    }
    const int line = next().line;
    if (comparison == nullptr) comparison = make(Kind::comparison, line, {first});
    comparison->marks.push_back(mark);
    comparison->operands.push_back(parse_sum());
  }
  return comparison == nullptr ? first : comparison;
}

const Expression* Parser::parse_sum() {
  const Expression* left = parse_concatenation();
  while (at_punctuation("+") || at_punctuation("-")) {
    const Token& mark = next();
    Expression* sum = make(Kind::arithmetic, mark.line, {left});
    sum->text = mark.text;
    sum->operands.push_back(parse_concatenation());
    left = sum;
  }
  return left;
}

const Expression* Parser::parse_concatenation() {
  const Expression* first = parse_product();
  if (!at_punctuation("~")) return first;
  Expression* joined = make(Kind::concatenation, current().line, {first});
  while (take_punctuation("~")) joined->operands.push_back(parse_product());
  return joined;
}

const Expression* Parser::parse_product() {
  const Expression* left = parse_power();
  while (at_punctuation("*") || at_punctuation("/") || at_punctuation("//") ||
         at_punctuation("%")) {
    const Token& mark = next();
    Expression* product = make(Kind::arithmetic, mark.line, {left});
    product->text = mark.text;
    product->operands.push_back(parse_power());
    left = product;
  }
  return left;
}

const Expression* Parser::parse_power() {
  const Expression* left = parse_unary(/*with_filters=*/true);
  while (at_punctuation("**")) {
    const int line = next().line;
    Expression* power = make(Kind::arithmetic, line, {left, parse_unary(true)});
    power->text = "**";
    left = power;
  }
  return left;
}

// As in Jinja a sign binds stronger than a filter: -1 | abs is (-1) | abs.
const Expression* Parser::parse_unary(bool with_filters) {
  const Nested nested(*this);
  const Expression* expression = nullptr;
  if (at_punctuation("-") || at_punctuation("+")) {
    const Token& sign = next();
    const Kind kind = sign.text == "-" ? Kind::minus : Kind::plus;
    expression = make(kind, sign.line, {parse_unary(/*with_filters=*/false)});
  } else {
    expression = parse_primary();
  }
  expression = parse_postfix(expression);
  return with_filters ? parse_filters(expression) : expression;
}

const Expression* Parser::parse_primary() {
  const int line = current().line;
  switch (current().kind) {
    case Token::Kind::name:
      return parse_name();
    case Token::Kind::integer:
    case Token::Kind::real:
      return parse_number();
    case Token::Kind::text: {
      std::string text;  // literals side by side are one
      while (current().kind == Token::Kind::text) text += next().text;
      Expression* constant = make(Kind::constant, line);
      constant->value = Value::text(std::move(text));
      return constant;
    }
    default:
      break;
  }
  if (take_punctuation("(")) {
    const Expression* inner = parse_tuple(/*with_choice=*/true, /*in_brackets=*/true);
    expect_punctuation(")");
    return inner;
  }
  if (at_punctuation("[")) return parse_list();
  if (at_punctuation("{")) return parse_dict();
  wrong("expected an expression before {}", shown());
}

const Expression* Parser::parse_name() {
  const Token& token = next();
  const std::string& name = token.text;
  Expression* constant = make(Kind::constant, token.line);
  if (name == "true" || name == "True") {
    constant->value = Value::boolean(true);
  } else if (name == "false" || name == "False") {
    constant->value = Value::boolean(false);
  } else if (name == "none" || name == "None") {
    constant->value = Value::none();
  } else {
    constant->kind = Kind::name;
    constant->text = name;
    saw_varargs_ = saw_varargs_ || name == "varargs";
    saw_kwargs_ = saw_kwargs_ || name == "kwargs";
    saw_loop_ = saw_loop_ || name == "loop";
  }
  return constant;
}

const Expression* Parser::parse_number() {
  const Token& token = current();
  Expression* constant = make(Kind::constant, token.line);
  if (token.kind == Token::Kind::integer) {
    const auto value = parse_integer(token.text, 0);
    if (!value) wrong("'{}' is no number", token.text);
    constant->value = Value::integer(*value);
  } else {
    const auto value = parse_real(token.text);
    if (!value) wrong("'{}' is no number", token.text);
    constant->value = Value::real(*value);
  }
  next();
  return constant;
}

const Expression* Parser::parse_tuple(bool with_choice, bool in_brackets) {
  const int line = current().line;
  std::vector<const Expression*> elements;
  bool comma = false;
  while (!at_tag_end() && !at_punctuation(")") && !(comma && at_name("in"))) {
    if (!elements.empty() && !comma) break;
    elements.push_back(parse_expression(with_choice));
    comma = take_punctuation(",");
  }
  if (elements.size() == 1 && !comma) return elements[0];
  if (elements.empty() && !in_brackets) wrong("expected an expression before {}", shown());
  return make(Kind::tuple, line, std::move(elements));
}

/// What a value is assigned to: a name, a namespace's attribute, or a tuple of such.
const Expression* Parser::parse_target() {
  const Nested nested(*this);
  const int line = current().line;
  std::vector<const Expression*> targets;
  bool comma = false;
  do {
    if (take_punctuation("(")) {
      targets.push_back(parse_target());
      expect_punctuation(")");
    } else {
      const Expression* name = parse_name();
      if (name->kind != Kind::name) wrong("a constant cannot be assigned to");
      if (take_punctuation(".")) {
        Expression* attribute = make(Kind::attribute, name->line, {name});
        attribute->text = expect_any_name();
        name = attribute;
      }
      targets.push_back(name);
    }
    comma = take_punctuation(",");
  } while (comma &&
           (at_punctuation("(") || (current().kind == Token::Kind::name && !at_name("in"))));
  if (targets.size() == 1 && !comma) return targets[0];
  return make(Kind::tuple, line, std::move(targets));
}

const Expression* Parser::parse_list() {
  Expression* list = make(Kind::list, next().line);
  while (!at_punctuation("]")) {
    if (!list->operands.empty()) expect_punctuation(",");
    if (at_punctuation("]")) break;
    list->operands.push_back(parse_expression());
  }
  next();
  return list;
}

const Expression* Parser::parse_dict() {
  Expression* dict = make(Kind::dict, next().line);
  while (!at_punctuation("}")) {
    if (!dict->operands.empty()) expect_punctuation(",");
    if (at_punctuation("}")) break;
    dict->operands.push_back(parse_expression());
    expect_punctuation(":");
    dict->operands.push_back(parse_expression());
  }
  next();
  return dict;
}

const Expression* Parser::parse_postfix(const Expression* object) {
  for (;;) {
    if (at_punctuation(".") || at_punctuation("[")) {
      object = parse_subscript(object);
    } else if (at_punctuation("(")) {
      object = parse_call(object);
    } else {
      return object;
    }
  }
}

const Expression* Parser::parse_filters(const Expression* object) {
  for (;;) {
    if (take_punctuation("|")) {
      object = parse_filter(object);
    } else if (take_name("is")) {
      object = parse_test(object);
    } else if (at_punctuation("(")) {
      object = parse_call(object);
    } else {
      return object;
    }
  }
}

const Expression* Parser::parse_filter(const Expression* object) {
  Expression* filter = make(Kind::filter, current().line, {object});
  filter->text = expect_any_name();
  while (take_punctuation(".")) filter->text += "." + expect_any_name();
  if (at_punctuation("(")) parse_arguments(*filter);
  return filter;
}

const Expression* Parser::parse_test(const Expression* object) {
  const bool negated = take_name("not");
  Expression* test = make(Kind::test, current().line, {object});
  test->text = expect_any_name();
  while (take_punctuation(".")) test->text += "." + expect_any_name();
  const Token::Kind kind = current().kind;
  const bool begins_argument = kind == Token::Kind::name || kind == Token::Kind::text ||
                               kind == Token::Kind::integer || kind == Token::Kind::real ||
                               at_punctuation("[") || at_punctuation("{");
  if (at_punctuation("(")) {
    parse_arguments(*test);
  } else if (begins_argument && !at_name("else") && !at_name("or") && !at_name("and")) {
    if (at_name("is")) wrong("tests cannot follow one another with 'is'");
    test->operands.push_back(parse_postfix(parse_primary()));
  }
  if (!negated) return test;
  return make(Kind::negation, test->line, {test});
}

const Expression* Parser::parse_subscript(const Expression* object) {
  const int line = current().line;
  if (take_punctuation(".")) {
    if (current().kind == Token::Kind::integer) {
      return make(Kind::item, line, {object, parse_number()});
    }
    Expression* attribute = make(Kind::attribute, line, {object});
    attribute->text = expect_any_name();
    return attribute;
  }
  next();
  const Expression* part = parse_subscript_part(object);
  if (at_punctuation(",")) wrong("an index of several parts is not supported");
  expect_punctuation("]");
  return part;
}

const Expression* Parser::parse_subscript_part(const Expression* object) {
  const int line = current().line;
  const Expression* bounds[3] = {};
  int colons = 0;
  while (!at_punctuation("]") && !at_punctuation(",")) {
    if (at_punctuation(":")) {
      next();
      if (++colons > 2) wrong("a slice has at most two ':'");
    } else if (bounds[colons] != nullptr) {
      break;
    } else {
      bounds[colons] = parse_expression();
    }
  }
  if (colons > 0) return make(Kind::slice, line, {object, bounds[0], bounds[1], bounds[2]});
  if (bounds[0] == nullptr) wrong("expected an index before {}", shown());
  return make(Kind::item, line, {object, bounds[0]});
}

const Expression* Parser::parse_call(const Expression* function) {
  Expression* call = make(Kind::call, current().line, {function});
  parse_arguments(*call);
  return call;
}

void Parser::parse_arguments(Expression& call) {
  next();
  for (bool first = true; !at_punctuation(")"); first = false) {
    if (!first) expect_punctuation(",");
    if (at_punctuation(")")) break;
    if (at_punctuation("*") || at_punctuation("**")) {
      const std::string mark = next().text;
      call.named.emplace_back(mark, parse_expression());
    } else if (current().kind == Token::Kind::name && following().is_punctuation("=")) {
      const std::string name = next().text;
      next();
      const auto same = [&name](const auto& each) { return each.first == name; };
      if (std::any_of(call.named.begin(), call.named.end(), same)) {
        wrong("the argument '{}' comes twice", name);
      }
      call.named.emplace_back(name, parse_expression());
    } else {
      if (!call.named.empty()) wrong("an argument without a name follows one with a name");
      call.operands.push_back(parse_expression());
    }
  }
  next();
}

}  // namespace octet::chat

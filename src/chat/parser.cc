// Makes a syntax tree of a template's tokens: the tags.
#include "chat/parser.h"

#include <algorithm>
#include <array>

namespace octet::chat {

bool Parser::take_punctuation(std::string_view mark) {
  if (!at_punctuation(mark)) return false;
  next();
  return true;
}

bool Parser::take_name(std::string_view name) {
  if (!at_name(name)) return false;
  next();
  return true;
}

std::string Parser::shown() const {
  using Kind = Token::Kind;
  const Token& token = current();
  switch (token.kind) {
    case Kind::end:
      return "the end of the template";
    case Kind::variable_begin:
      return "'{{'";
    case Kind::variable_end:
      return "'}}'";
    case Kind::block_begin:
      return "'{%'";
    case Kind::block_end:
      return "'%}'";
    case Kind::data:
      return "text";
    default:
      return "'" + token.text.substr(0, 40) + "'";
  }
}

void Parser::expect_punctuation(std::string_view mark) {
  if (!take_punctuation(mark)) wrong("expected '{}' before {}", mark, shown());
}

void Parser::expect_name(std::string_view name) {
  if (!take_name(name)) wrong("expected '{}' before {}", name, shown());
}

std::string Parser::expect_any_name() {
  if (current().kind != Token::Kind::name) wrong("expected a name before {}", shown());
  return next().text;
}

void Parser::expect_block_end() {
  if (current().kind != Token::Kind::block_end) wrong("expected '%}}' before {}", shown());
  next();
}

Statement* Parser::make(Statement::Kind kind, int line) {
  Statement& statement = tree_.statements.emplace_back();
  statement.kind = kind;
  statement.line = line;
  return &statement;
}

SyntaxTree Parser::run() {
  tree_.body = parse_block({});
  return std::move(tree_);
}

Block Parser::parse_block(std::initializer_list<std::string_view> ends) {
  using Kind = Token::Kind;
  const Nested nested(*this);
  const int first_line = current().line;
  Block block;
  for (;;) {
    const int line = current().line;
    if (current().kind == Kind::end) {
      if (ends.size() == 0) return block;
      wrong("the tag before line {} has no '{}'", first_line, *std::prev(ends.end()));
    }
    if (current().kind == Kind::data) {
      Statement* data = make(Statement::Kind::data, line);
      data->text = next().text;
      block.push_back(data);
    } else if (current().kind == Kind::variable_begin) {
      next();
      Statement* output = make(Statement::Kind::output, line);
      output->expressions = {parse_tuple(/*with_choice=*/true, /*in_brackets=*/false)};
      block.push_back(output);
      if (current().kind != Kind::variable_end) wrong("expected '}}}}' before {}", shown());
      next();
    } else {
      next();
      if (std::find(ends.begin(), ends.end(), current().text) != ends.end()) return block;
      block.push_back(parse_tag());
      expect_block_end();
    }
  }
}

Block Parser::parse_body(std::string_view end) {
  expect_block_end();
  Block block = parse_block({end});
  expect_name(end);
  return block;
}

const Statement* Parser::parse_tag() {
  const int line = current().line;
  const std::string tag = expect_any_name();
  if (tag == "if") return parse_condition(line);
  if (tag == "for") return parse_loop(line);
  if (tag == "set") return parse_set(line);
  if (tag == "macro") return parse_macro(line);
  if (tag == "call") return parse_call_block(line);
  if (tag == "filter") return parse_filter_block(line);
  if (tag == "with") return parse_with(line);
  if (tag == "break" || tag == "continue") {
    if (loops_ == 0) wrong("'{}' stands outside a loop", tag);
    return make(tag == "break" ? Statement::Kind::leave_loop : Statement::Kind::next_round, line);
  }
  if (tag == "generation") {
    // Marks what an assistant wrote, for training; it prints as it stands.
    Statement* scope = make(Statement::Kind::scope, line);
    scope->bodies = {parse_body("endgeneration")};
    return scope;
  }
  wrong("the tag '{}' is not supported here", tag);
}

const Statement* Parser::parse_condition(int line) {
  Statement* condition = make(Statement::Kind::condition, line);
  for (;;) {
    condition->expressions.push_back(parse_tuple(/*with_choice=*/false, /*in_brackets=*/false));
    expect_block_end();
    condition->bodies.push_back(parse_block({"elif", "else", "endif"}));
    if (take_name("elif")) continue;
    if (take_name("else")) {
      condition->bodies.push_back(parse_body("endif"));
    } else {
      expect_name("endif");
    }
    return condition;
  }
}

const Statement* Parser::parse_loop(int line) {
  Statement* loop = make(Statement::Kind::loop, line);
  const Expression* target = parse_target();
  expect_name("in");
  const Expression* elements = parse_tuple(/*with_choice=*/false, /*in_brackets=*/false);
  loop->expressions = {target, elements};
  if (take_name("if")) loop->expressions.push_back(parse_expression());
  if (at_name("recursive")) wrong("recursive loops are not supported");
  expect_block_end();
  ++loops_;
  const bool outer = std::exchange(saw_loop_, false);
  loop->bodies.push_back(parse_block({"else", "endfor"}));
  loop->names_loop = saw_loop_;
  saw_loop_ = saw_loop_ || outer;
  --loops_;
  if (take_name("else")) {
    loop->bodies.push_back(parse_body("endfor"));
  } else {
    expect_name("endfor");
  }
  return loop;
}

const Statement* Parser::parse_set(int line) {
  const Expression* target = parse_target();
  if (take_punctuation("=")) {
    Statement* set = make(Statement::Kind::set, line);
    set->expressions = {target, parse_tuple(/*with_choice=*/true, /*in_brackets=*/false)};
    return set;
  }
  Statement* set = make(Statement::Kind::set_block, line);
  set->expressions = {target};
  const Expression* filters = nullptr;
  while (take_punctuation("|")) filters = parse_filter(filters);
  if (filters != nullptr) set->expressions.push_back(filters);
  set->bodies = {parse_body("endset")};
  return set;
}

void Parser::parse_parameters(Statement& macro) {
  expect_punctuation("(");
  while (!at_punctuation(")")) {
    if (!macro.parameters.empty()) expect_punctuation(",");
    const std::string name = expect_any_name();
    const Expression* otherwise = nullptr;
    if (take_punctuation("=")) {
      otherwise = parse_expression();
    } else if (!macro.parameters.empty() && macro.parameters.back().second != nullptr) {
      wrong("the parameter '{}' without a default follows one with a default", name);
    }
    macro.parameters.emplace_back(name, otherwise);
  }
  next();
}

void Parser::parse_macro_body(Statement& macro, std::string_view end) {
  // A macro's body is a place of its own: no loop of outside, its own extra arguments.
  const int loops = std::exchange(loops_, 0);
  const bool varargs = std::exchange(saw_varargs_, false);
  const bool kwargs = std::exchange(saw_kwargs_, false);
  macro.bodies = {parse_body(end)};
  macro.takes_more_arguments = std::exchange(saw_varargs_, varargs);
  macro.takes_more_named = std::exchange(saw_kwargs_, kwargs);
  loops_ = loops;
}

const Statement* Parser::parse_macro(int line) {
  Statement* macro = make(Statement::Kind::macro, line);
  macro->text = expect_any_name();
  parse_parameters(*macro);
  parse_macro_body(*macro, "endmacro");
  return macro;
}

const Statement* Parser::parse_call_block(int line) {
  Statement* call = make(Statement::Kind::call_block, line);
  call->text = "caller";
  if (at_punctuation("(")) parse_parameters(*call);
  const Expression* expression = parse_expression();
  if (expression->kind != Expression::Kind::call) wrong("expected a call after 'call'");
  call->expressions = {expression};
  parse_macro_body(*call, "endcall");
  return call;
}

const Statement* Parser::parse_filter_block(int line) {
  Statement* block = make(Statement::Kind::filter_block, line);
  const Expression* filters = parse_filter(nullptr);
  while (take_punctuation("|")) filters = parse_filter(filters);
  block->expressions = {filters};
  block->bodies = {parse_body("endfilter")};
  return block;
}

const Statement* Parser::parse_with(int line) {
  Statement* scope = make(Statement::Kind::scope, line);
  while (current().kind != Token::Kind::block_end) {
    if (!scope->parameters.empty()) expect_punctuation(",");
    const std::string name = expect_any_name();
    expect_punctuation("=");
    scope->parameters.emplace_back(name, parse_expression());
  }
  scope->bodies = {parse_body("endwith")};
  return scope;
}

SyntaxTree parse(std::string_view text, const std::string& source) {
  return Parser(text, source).run();
}

}  // namespace octet::chat

// Makes a syntax tree of a template's tokens, by recursive descent.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "chat/lexer.h"
#include "chat/syntax.h"

namespace octet::chat {

class Parser {
 public:
  Parser(std::string_view text, const std::string& source)
      : source_(source), tokens_(tokenize(text, source)) {}

  SyntaxTree run();

 private:
  /// Counts brackets, tags and signs inside one another.
  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDeepest)
        parser_.wrong("is nested more than {} levels deep", kDeepest);
    }
    ~Nested() { --parser_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    static constexpr int kDeepest = 150;
    Parser& parser_;
  };

  template <typename... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: line {}: {}", source_, current().line,
         fmt::format(format, std::forward<Args>(args)...));
  }

  const Token& current() const { return tokens_[at_]; }
  const Token& following() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool at_punctuation(std::string_view mark) const { return current().is_punctuation(mark); }
  bool at_name(std::string_view name) const { return current().is_name(name); }
  bool at_tag_end() const {
    return current().kind == Token::Kind::block_end || current().kind == Token::Kind::variable_end;
  }
  bool take_punctuation(std::string_view mark);
  bool take_name(std::string_view name);
  void expect_punctuation(std::string_view mark);
  void expect_name(std::string_view name);
  std::string expect_any_name();
  void expect_block_end();
  /// How an error shows the current token.
  std::string shown() const;

  // Statements (parser.cc).
  Statement* make(Statement::Kind kind, int line);
  /// Statements up to a tag that begins with one of `ends`, whose name is left to be taken.
  Block parse_block(std::initializer_list<std::string_view> ends);
  /// The same, then takes the tag.
  Block parse_body(std::string_view end);
  const Statement* parse_tag();
  const Statement* parse_condition(int line);
  const Statement* parse_loop(int line);
  const Statement* parse_set(int line);
  const Statement* parse_macro(int line);
  const Statement* parse_call_block(int line);
  const Statement* parse_filter_block(int line);
  const Statement* parse_with(int line);
  void parse_parameters(Statement& macro);
  void parse_macro_body(Statement& macro, std::string_view end);

  // Expressions (expression_parser.cc), by binding strength.
  Expression* make(Expression::Kind kind, int line, std::vector<const Expression*> operands = {});
  const Expression* parse_expression(bool with_choice = true);
  const Expression* parse_or();
  const Expression* parse_and();
  const Expression* parse_not();
  const Expression* parse_comparison();
  const Expression* parse_sum();
  const Expression* parse_concatenation();
  const Expression* parse_product();
  const Expression* parse_power();
  const Expression* parse_unary(bool with_filters);
  const Expression* parse_primary();
  const Expression* parse_name();
  const Expression* parse_number();
  /// a, b, …: a tuple, or the one expression; at least `least` of them.
  const Expression* parse_tuple(bool with_choice, bool in_brackets);
  const Expression* parse_target();
  const Expression* parse_list();
  const Expression* parse_dict();
  const Expression* parse_postfix(const Expression* object);
  const Expression* parse_filters(const Expression* object);
  const Expression* parse_filter(const Expression* object);
  const Expression* parse_test(const Expression* object);
  const Expression* parse_subscript(const Expression* object);
  const Expression* parse_subscript_part(const Expression* object);
  const Expression* parse_call(const Expression* function);
  void parse_arguments(Expression& call);

  const std::string& source_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;  ///< around the current place, inside the innermost macro
  bool saw_varargs_ = false;
  bool saw_kwargs_ = false;
  bool saw_loop_ = false;
  SyntaxTree tree_;
};

}  // namespace octet::chat

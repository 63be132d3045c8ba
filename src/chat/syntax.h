// A chat template as a tree: statements that hold expressions.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "chat/value.h"

namespace octet::chat {

struct Expression {
  enum class Kind {
    constant,       ///< value
    name,           ///< text
    list,           ///< operands
    tuple,          ///< operands
    dict,           ///< operands: key, value, key, value, …
    attribute,      ///< operands[0].text
    item,           ///< operands[0][operands[1]]
    slice,          ///< operands[0][operands[1]:operands[2]:operands[3]], null where left out
    call,           ///< operands[0](operands[1], …, named)
    filter,         ///< operands[0] | text(operands[1], …, named); of a block operands[0] is null
    test,           ///< operands[0] is text(operands[1], …, named)
    negation,       ///< not operands[0]
    minus,          ///< -operands[0]
    plus,           ///< +operands[0]
    arithmetic,     ///< operands[0] text operands[1]
    comparison,     ///< operands[0] marks[0] operands[1] marks[1] operands[2] …
    concatenation,  ///< operands[0] ~ operands[1] ~ …
    conjunction,    ///< operands[0] and operands[1]
    disjunction,    ///< operands[0] or operands[1]
    choice          ///< operands[0] if operands[1] else operands[2], which may be null
  };

  Kind kind = Kind::constant;
  int line = 1;
  std::string text = {};
  Value value = {};
  std::vector<const Expression*> operands = {};
  /// Arguments with a name; "*" for a list of arguments, "**" for a dict of them.
  std::vector<std::pair<std::string, const Expression*>> named = {};
  std::vector<std::string> marks = {};
};

using Block = std::vector<const Statement*>;

struct Statement {
  enum class Kind {
    data,          ///< text
    output,        ///< expressions[0]
    condition,     ///< expressions[i]: bodies[i]; without a condition, the last of bodies
    loop,          ///< for expressions[0] in expressions[1] if expressions[2]: bodies[0], bodies[1]
    set,           ///< expressions[0] = expressions[1]
    set_block,     ///< expressions[0] = what bodies[0] prints, through the filters expressions[1]
    macro,         ///< text(parameters): bodies[0]
    call_block,    ///< expressions[0] is the call; parameters and bodies[0] its caller
    filter_block,  ///< what bodies[0] prints, through the filters expressions[0]
    scope,         ///< parameters are set for bodies[0] (with, generation)
    leave_loop,    ///< break
    next_round     ///< continue
  };

  /// A name and what it is when no argument comes for it; null: nothing.
  using Parameter = std::pair<std::string, const Expression*>;

  Kind kind = Kind::data;
  int line = 1;
  std::string text = {};
  std::vector<const Expression*> expressions = {};
  std::vector<Block> bodies = {};
  std::vector<Parameter> parameters = {};
  bool takes_more_arguments = false;  ///< a macro that uses varargs
  bool takes_more_named = false;      ///< a macro that uses kwargs
  bool names_loop = false;            ///< a for whose body names `loop`
};

/// Owns its nodes; the pointers between them are free to form deep trees.
struct SyntaxTree {
  std::deque<Expression> expressions;
  std::deque<Statement> statements;
  Block body;
};

/// Throws Error naming `source` and the line of what is wrong or not supported.
SyntaxTree parse(std::string_view text, const std::string& source);

}  // namespace octet::chat

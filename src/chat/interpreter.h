// Runs a chat template's syntax tree: scopes, loops, macros, and the value of expressions.
#pragma once

#include <ctime>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/arguments.h"
#include "chat/syntax.h"
#include "chat/value.h"

namespace octet::chat {

/// Names and their values; what is not here is looked for in the parent.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string, Value>> variables;
  bool captured = false;  ///< a macro was defined here and may be called later

  void set(Account& account, std::string_view name, Value value);
  const Value* find(Account& account, std::string_view name) const;
};

class Interpreter {
 public:
  /// `now` is what strftime_now() tells the time of.
  Interpreter(Account& account, const std::tm& now) : account_(account), now_(now) {}

  /// The text that the template makes with these variables.
  std::string run(const SyntaxTree& tree, std::vector<std::pair<std::string, Value>> variables);

  // What filters, tests and functions work with.
  Account& account() { return account_; }
  const std::tm& now() const { return now_; }
  Value filtered(const std::string& filter, const Value& value, const Arguments& arguments);
  bool passes(const std::string& test, const Value& value, const Arguments& arguments);
  Value call(const Value& function, const Arguments& arguments);
  /// object.name, as Jinja looks it up.
  Value attribute(const Value& object, const std::string& name);
  /// object[key], as Jinja looks it up.
  Value item(const Value& object, const Value& key);
  Value new_namespace(std::vector<std::pair<std::string, Value>> attributes);

 private:
  enum class Flow { go_on, leave_loop, next_round };
  class OpenScope;
  class Capture;

  // Statements (interpreter.cc).
  Flow run_block(const Block& block);
  Flow run(const Statement& statement);
  Flow run_condition(const Statement& statement);
  Flow run_loop(const Statement& statement);
  Flow run_scope(const Statement& statement);
  Flow run_set_block(const Statement& statement);
  Flow run_filter_block(const Statement& statement);
  bool loop_takes(const Statement& loop, const Value& element);
  void assign(const Expression& target, const Value& value);
  void print(std::string_view text);
  Value macro_here(const Statement& macro);
  Value call_macro(const Callable& macro, const Arguments& arguments);
  void bind_parameters(const Statement& macro, const Arguments& arguments);

  // Expressions (evaluation.cc).
  Value evaluate(const Expression& expression);
  Value evaluate_name(const Expression& expression);
  Value evaluate_dict(const Expression& expression);
  Value evaluate_slice(const Expression& expression);
  Value evaluate_comparison(const Expression& expression);
  Value evaluate_concatenation(const Expression& expression);
  Value evaluate_choice(const Expression& expression);
  Value evaluate_call(const Expression& expression);
  std::vector<Value> evaluate_all(const std::vector<const Expression*>& expressions, size_t from);
  Arguments evaluate_arguments(const Expression& expression);
  /// A chain of filters whose innermost one gets `value`.
  Value filter_chain(const Expression& filter, const Value& value);
  bool compare(const std::string& mark, const Value& left, const Value& right);

  Account& account_;
  std::tm now_;
  std::deque<Scope> scopes_;  // a stack, but for the captured ones, which stay
  std::vector<Scope*> unused_;
  std::deque<Namespace> namespaces_;
  Scope* scope_ = nullptr;
  std::string* out_ = nullptr;
  int depth_ = 0;
};

/// The attribute of `loop`; undefined when there is none.
Value loop_attribute(Account& account, const Loop& loop, const std::string& name);

/// Calls a method of a text, list or dict, or of `loop`.
Value call_method(Interpreter& interpreter, const Callable& method, const Arguments& arguments);
/// Whether Python's type has a method of this name (called or not supported).
bool has_method(const Value& object, std::string_view name);

/// Calls namespace, range, dict, raise_exception or strftime_now.
Value call_global(Interpreter& interpreter, const std::string& name, const Arguments& arguments);
/// The names of those.
std::vector<std::string> global_functions();

}  // namespace octet::chat

// Runs a chat template's syntax tree: statements, scopes and macros.
#include "chat/interpreter.h"

#include <algorithm>

#include "chat/deeper.h"

namespace octet::chat {

void Scope::set(Account& account, std::string_view name, Value value) {
  account.elements(variables.size() / 16);
  for (auto& [known, held] : variables) {
    if (known == name) {
      held = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

const Value* Scope::find(Account& account, std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent) {
    account.elements(scope->variables.size() / 16);
    for (const auto& [known, held] : scope->variables) {
      if (known == name) return &held;
    }
  }
  return nullptr;
}

/// A scope inside `parent` for as long as this lives, or the interpreter if a macro captures it.
class Interpreter::OpenScope {
 public:
  OpenScope(Interpreter& interpreter, Scope* parent)
      : interpreter_(interpreter), outer_(interpreter.scope_) {
    std::vector<Scope*>& unused = interpreter.unused_;
    if (unused.empty()) unused.push_back(&interpreter.scopes_.emplace_back());
    scope_ = unused.back();
    unused.pop_back();
    scope_->parent = parent;
    interpreter.scope_ = scope_;
  }
  ~OpenScope() {
    interpreter_.scope_ = outer_;
    if (scope_->captured) return;
    scope_->variables.clear();
    interpreter_.unused_.push_back(scope_);
  }
  OpenScope(const OpenScope&) = delete;
  OpenScope& operator=(const OpenScope&) = delete;

 private:
  Interpreter& interpreter_;
  Scope* outer_;
  Scope* scope_ = nullptr;
};

/// Takes what is printed while this lives.
class Interpreter::Capture {
 public:
  explicit Capture(Interpreter& interpreter) : interpreter_(interpreter), outer_(interpreter.out_) {
    interpreter.out_ = &text_;
  }
  ~Capture() { interpreter_.out_ = outer_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  Value take() { return Value::text(std::move(text_)); }

 private:
  Interpreter& interpreter_;
  std::string* outer_;
  std::string text_;
};

std::string Interpreter::run(const SyntaxTree& tree,
                             std::vector<std::pair<std::string, Value>> variables) {
  std::string out;
  out_ = &out;
  const OpenScope globals(*this, nullptr);
  for (const std::string& name : global_functions()) {
    Callable function;
    function.name = name;
    scope_->set(account_, name, Value::of(std::make_shared<const Callable>(std::move(function))));
  }
  const OpenScope top(*this, scope_);
  for (auto& [name, value] : variables) scope_->set(account_, name, std::move(value));
  run_block(tree.body);
  return out;
}

void Interpreter::print(std::string_view text) {
  account_.bytes(text.size());
  if (static_cast<int64_t>(out_->size() + text.size()) > account_.limits().prompt_bytes) {
    account_.fail("makes a text of more than {} bytes", account_.limits().prompt_bytes);
  }
  *out_ += text;
}

Interpreter::Flow Interpreter::run_block(const Block& block) {
  for (const Statement* statement : block) {
    const Flow flow = run(*statement);
    if (flow != Flow::go_on) return flow;
  }
  return Flow::go_on;
}

Interpreter::Flow Interpreter::run(const Statement& statement) {
  using Kind = Statement::Kind;
  const Deeper deeper(account_, depth_);
  account_.at_line(statement.line);
  account_.step();
  switch (statement.kind) {
    case Kind::data:
      print(statement.text);
      break;
    case Kind::output:
      print(printed(account_, evaluate(*statement.expressions[0])));
      break;
    case Kind::condition:
      return run_condition(statement);
    case Kind::loop:
      return run_loop(statement);
    case Kind::set:
      assign(*statement.expressions[0], evaluate(*statement.expressions[1]));
      break;
    case Kind::set_block:
      return run_set_block(statement);
    case Kind::macro:
      scope_->set(account_, statement.text, macro_here(statement));
      break;
    case Kind::call_block: {
      Arguments arguments = evaluate_arguments(*statement.expressions[0]);
      const Value function = evaluate(*statement.expressions[0]->operands[0]);
      arguments.named.emplace_back("caller", macro_here(statement));
      print(printed(account_, call(function, arguments)));
      break;
    }
    case Kind::filter_block:
      return run_filter_block(statement);
    case Kind::scope:
      return run_scope(statement);
    case Kind::leave_loop:
      return Flow::leave_loop;
    case Kind::next_round:
      return Flow::next_round;
  }
  return Flow::go_on;
}

Interpreter::Flow Interpreter::run_condition(const Statement& statement) {
  for (size_t i = 0; i < statement.bodies.size(); ++i) {
    const bool holds =
        i == statement.expressions.size() || evaluate(*statement.expressions[i]).truth();
    if (holds) return run_block(statement.bodies[i]);
  }
  return Flow::go_on;
}

bool Interpreter::loop_takes(const Statement& loop, const Value& element) {
  if (loop.expressions.size() < 3) return true;
  const OpenScope inner(*this, scope_);
  assign(*loop.expressions[0], element);
  return evaluate(*loop.expressions[2]).truth();
}

Interpreter::Flow Interpreter::run_loop(const Statement& statement) {
  auto loop = std::make_shared<Loop>();
  loop->elements = elements_of(account_, evaluate(*statement.expressions[1]));
  // Elements are chosen as the loop comes to them, unless `loop` has to know how many there are.
  const bool chosen_before = statement.names_loop;
  if (chosen_before) {
    std::erase_if(loop->elements,
                  [&](const Value& element) { return !loop_takes(statement, element); });
    for (const Value& element : loop->elements)
      loop->depth = std::max(loop->depth, element.depth() + 1);
    if (loop->depth > kDeepestValue) account_.fail("a loop is nested {} levels deep", loop->depth);
  }
  bool went_through = false;
  for (size_t i = 0; i < loop->elements.size(); ++i) {
    account_.step();
    if (!chosen_before && !loop_takes(statement, loop->elements[i])) continue;
    const OpenScope inner(*this, scope_);
    loop->index = i;
    if (chosen_before) scope_->set(account_, "loop", Value::of(std::shared_ptr<const Loop>(loop)));
    assign(*statement.expressions[0], loop->elements[i]);
    const Flow flow = run_block(statement.bodies[0]);
    if (flow == Flow::leave_loop) break;
    went_through = went_through || flow == Flow::go_on;
  }
  // As in Jinja, a round that was cut short does not count.
  if (went_through || statement.bodies.size() < 2) return Flow::go_on;
  const OpenScope otherwise(*this, scope_);
  return run_block(statement.bodies[1]);
}

Interpreter::Flow Interpreter::run_scope(const Statement& statement) {
  Scope* outer = scope_;
  std::vector<Value> values;
  for (const auto& [name, expression] : statement.parameters)
    values.push_back(evaluate(*expression));
  const OpenScope inner(*this, outer);
  for (size_t i = 0; i < values.size(); ++i)
    scope_->set(account_, statement.parameters[i].first, std::move(values[i]));
  return run_block(statement.bodies[0]);
}

Interpreter::Flow Interpreter::run_set_block(const Statement& statement) {
  Value text;
  {
    const OpenScope inner(*this, scope_);
    Capture capture(*this);
    const Flow flow = run_block(statement.bodies[0]);
    if (flow != Flow::go_on) return flow;
    text = capture.take();
  }
  if (statement.expressions.size() > 1) text = filter_chain(*statement.expressions[1], text);
  assign(*statement.expressions[0], text);
  return Flow::go_on;
}

Interpreter::Flow Interpreter::run_filter_block(const Statement& statement) {
  Value text;
  {
    const OpenScope inner(*this, scope_);
    Capture capture(*this);
    const Flow flow = run_block(statement.bodies[0]);
    if (flow != Flow::go_on) return flow;
    text = capture.take();
  }
  print(printed(account_, filter_chain(*statement.expressions[0], text)));
  return Flow::go_on;
}

void Interpreter::assign(const Expression& target, const Value& value) {
  if (target.kind == Expression::Kind::name) {
    scope_->set(account_, target.text, value);
    return;
  }
  if (target.kind == Expression::Kind::attribute) {
    Namespace* object = evaluate(*target.operands[0]).if_namespace();
    if (object == nullptr) account_.fail("only a namespace's attributes can be set");
    object->set(account_, target.text, value);
    return;
  }
  if (value.is_undefined()) account_.fail("{}", value.absence());
  const std::vector<Value> parts = elements_of(account_, value);
  if (parts.size() != target.operands.size()) {
    account_.fail("{} values for {} names", parts.size(), target.operands.size());
  }
  for (size_t i = 0; i < parts.size(); ++i) assign(*target.operands[i], parts[i]);
}

Value Interpreter::macro_here(const Statement& macro) {
  account_.bytes(sizeof(Scope) + sizeof(Callable));
  // From here on the macro may be called as long as the template runs.
  for (Scope* scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent)
    scope->captured = true;
  Callable callable;
  callable.kind = Callable::Kind::macro;
  callable.name = macro.text;
  callable.macro = &macro;
  callable.scope = scope_;
  return Value::of(std::make_shared<const Callable>(std::move(callable)));
}

Value Interpreter::call_macro(const Callable& macro, const Arguments& arguments) {
  const Deeper deeper(account_, depth_);
  const int line = account_.line();
  const OpenScope inner(*this, macro.scope);
  bind_parameters(*macro.macro, arguments);
  Capture capture(*this);
  run_block(macro.macro->bodies[0]);
  account_.at_line(line);
  return capture.take();
}

void Interpreter::bind_parameters(const Statement& macro, const Arguments& arguments) {
  const auto& parameters = macro.parameters;
  const size_t count = parameters.size();
  std::vector<Value> more(arguments.positional.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                             count, arguments.positional.size())),
                          arguments.positional.end());
  if (!more.empty() && !macro.takes_more_arguments) {
    account_.fail("the macro '{}' takes at most {} arguments, {} are given", macro.text, count,
                  arguments.positional.size());
  }
  std::vector<bool> given(count);
  for (size_t i = 0; i < std::min(count, arguments.positional.size()); ++i) {
    scope_->set(account_, parameters[i].first, arguments.positional[i]);
    given[i] = true;
  }
  std::vector<Pair> more_named;
  for (const auto& argument : arguments.named) {
    const std::string& name = argument.first;
    const Value& value = argument.second;
    const auto known = std::find_if(parameters.begin(), parameters.end(),
                                    [&](const auto& each) { return each.first == name; });
    if (known == parameters.end()) {
      if (name == "caller") {
        scope_->set(account_, name, value);
        continue;
      }
      if (!macro.takes_more_named)
        account_.fail("the macro '{}' has no argument '{}'", macro.text, name);
      more_named.emplace_back(Value::text(name), value);
      continue;
    }
    const auto index = static_cast<size_t>(known - parameters.begin());
    if (given[index]) account_.fail("the macro '{}' is given '{}' twice", macro.text, name);
    given[index] = true;
    scope_->set(account_, name, value);
  }
  for (size_t i = 0; i < count; ++i) {
    if (given[i]) continue;
    const auto& [name, otherwise] = parameters[i];
    scope_->set(account_, name,
                otherwise != nullptr
                    ? evaluate(*otherwise)
                    : Value::undefined(fmt::format("parameter '{}' was not provided", name)));
  }
  if (macro.takes_more_arguments)
    scope_->set(account_, "varargs",
                make_sequence(account_, std::move(more), Sequence::Kind::tuple));
  if (macro.takes_more_named)
    scope_->set(account_, "kwargs", make_dict(account_, std::move(more_named)));
}

}  // namespace octet::chat

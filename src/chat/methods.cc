// Which methods the values of a chat template have, and those of dicts, lists and `loop`.
#include <algorithm>
#include <array>

#include "chat/interpreter.h"
#include "chat/text_methods.h"

namespace octet::chat {
namespace {

// Every method of Python's types, so that one which is not supported is told from a key.
constexpr std::string_view kDictMethods =
    " clear copy fromkeys get items keys pop popitem setdefault update values ";
constexpr std::string_view kListMethods =
    " append clear copy count extend index insert pop remove reverse sort ";
constexpr std::string_view kTupleMethods = " count index ";
// Of a text marked safe: those that only leave out or change letters.
constexpr std::string_view kMarkupMethods = " capitalize lower lstrip rstrip strip title upper ";
constexpr std::string_view kLoopMethods = " changed cycle ";

bool listed(std::string_view names, std::string_view name) {
  if (name.empty() || name.find(' ') != std::string_view::npos) return false;
  return names.find(" " + std::string(name) + " ") != std::string_view::npos;
}

[[noreturn]] void not_supported(const Account& account, const Callable& method) {
  account.fail("{}.{}() is not supported", method.self.type_name(), method.name);
}

Value call_dict_method(Account& account, const Dict& dict, const Callable& method,
                       const Arguments& arguments) {
  const std::string& name = method.name;
  if (name == "get") {
    const auto matched = arguments.match(account, "get", {"key", "default"}, 1);
    if (!is_hashable(*matched[0])) account.fail("a {} cannot be a key", matched[0]->type_name());
    const Value* found = dict.find(account, *matched[0]);
    return found != nullptr ? *found : matched[1].value_or(Value::none());
  }
  if (name != "items" && name != "keys" && name != "values" && name != "copy")
    not_supported(account, method);
  (void)arguments.match(account, name, {});
  if (name == "copy") return method.self;
  account.elements(4 * dict.pairs.size());
  std::vector<Value> elements;
  for (const auto& [key, value] : dict.pairs) {
    elements.push_back(name == "keys" ? key
                       : name == "values"
                           ? value
                           : make_sequence(account, {key, value}, Sequence::Kind::tuple));
  }
  return make_sequence(account, std::move(elements), Sequence::Kind::view);
}

Value call_list_method(Account& account, const Sequence& sequence, const Callable& method,
                       const Arguments& arguments) {
  if (method.name == "copy") return method.self;
  if (method.name != "count" && method.name != "index") not_supported(account, method);
  const auto matched = arguments.match(account, method.name, {"value"}, 1);
  int64_t count = 0;
  for (size_t i = 0; i < sequence.elements.size(); ++i) {
    if (!equal(account, sequence.elements[i], *matched[0])) continue;
    if (method.name == "index") return Value::integer(static_cast<int64_t>(i));
    ++count;
  }
  if (method.name == "index") account.fail("the value is not in the {}", method.self.type_name());
  return Value::integer(count);
}

Value call_loop_method(Account& account, const Loop& loop, const Callable& method,
                       const Arguments& arguments) {
  const std::vector<Value>& values = arguments.positional;
  if (method.name == "cycle") {
    if (values.empty()) account.fail("loop.cycle() needs values to go through");
    return values[loop.index % values.size()];
  }
  Value seen = make_sequence(account, values, Sequence::Kind::tuple);
  const bool changed = !loop.last_changed || !equal(account, *loop.last_changed, seen);
  if (changed) loop.last_changed = std::move(seen);
  return Value::boolean(changed);
}

}  // namespace

bool has_method(const Value& object, std::string_view name) {
  if (object.if_text() != nullptr) return is_text_method(name);
  if (object.if_dict() != nullptr) return listed(kDictMethods, name);
  if (object.if_loop() != nullptr) return listed(kLoopMethods, name);
  const Sequence* sequence = object.if_sequence();
  if (sequence == nullptr || sequence->kind > Sequence::Kind::range) return false;
  return listed(sequence->kind == Sequence::Kind::list ? kListMethods : kTupleMethods, name);
}

Value call_method(Interpreter& interpreter, const Callable& method, const Arguments& arguments) {
  Account& account = interpreter.account();
  if (const std::string* text = method.self.if_text()) {
    Value result = call_text_method(account, *text, method.name, arguments);
    if (!method.self.is_markup()) return result;
    if (result.if_sequence() != nullptr ||
        (result.if_text() != nullptr && !listed(kMarkupMethods, method.name)))
      account.fail("{}() of a text marked safe is not supported", method.name);
    return result.if_text() != nullptr ? Value::markup(*result.if_text()) : result;
  }
  if (const Dict* dict = method.self.if_dict()) {
    return call_dict_method(account, *dict, method, arguments);
  }
  if (const Loop* loop = method.self.if_loop()) {
    return call_loop_method(account, *loop, method, arguments);
  }
  return call_list_method(account, *method.self.if_sequence(), method, arguments);
}

}  // namespace octet::chat

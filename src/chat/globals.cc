// The functions that a chat template can call by name.
#include <array>
#include <cstdint>

#include "chat/interpreter.h"
#include "tokenizer/utf8.h"

namespace octet::chat {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"raise_exception", "namespace", "range", "dict",
                                                    "strftime_now"};

/// dict(pairs, name=value, …) and namespace(…) take the same arguments.
std::vector<Pair> dict_arguments(Interpreter& interpreter, const Arguments& arguments,
                                 std::string_view function) {
  Account& account = interpreter.account();
  std::vector<Pair> pairs;
  if (arguments.positional.size() > 1)
    account.fail("'{}' takes one argument without name", function);
  for (const Value& given : arguments.positional) {
    if (const Dict* dict = given.if_dict()) {
      account.elements(2 * dict->pairs.size());
      pairs = dict->pairs;
      continue;
    }
    for (const Value& element : elements_of(account, given)) {
      const std::vector<Value> pair = elements_of(account, element);
      if (pair.size() != 2) account.fail("'{}' needs pairs of key and value", function);
      pairs.emplace_back(pair[0], pair[1]);
    }
  }
  for (const auto& [name, value] : arguments.named) pairs.emplace_back(Value::text(name), value);
  return pairs;
}

Value make_namespace(Interpreter& interpreter, const Arguments& arguments) {
  std::vector<std::pair<std::string, Value>> attributes;
  for (const auto& [key, value] : dict_arguments(interpreter, arguments, "namespace")) {
    attributes.emplace_back(text_of(interpreter.account(), key, "a namespace's attribute"), value);
  }
  return interpreter.new_namespace(std::move(attributes));
}

Value make_range(Account& account, const Arguments& arguments) {
  constexpr size_t kLongest = 100'000;  // as in Jinja's sandbox
  if (!arguments.named.empty() || arguments.positional.empty() || arguments.positional.size() > 3)
    account.fail("'range' takes 1 to 3 whole numbers");
  std::array<int64_t, 3> bounds = {0, 0, 1};
  if (arguments.positional.size() == 1) {
    bounds[1] = integer_of(account, arguments.positional[0], "an argument of range");
  } else {
    for (size_t i = 0; i < arguments.positional.size(); ++i)
      bounds[i] = integer_of(account, arguments.positional[i], "an argument of range");
  }
  const auto [start, stop, step] = bounds;
  if (step == 0) account.fail("the step of 'range' cannot be 0");
  std::vector<Value> numbers;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (numbers.size() == kLongest) account.fail("'range' gives at most {} numbers", kLongest);
    numbers.push_back(Value::integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return make_sequence(account, std::move(numbers), Sequence::Kind::range);
}

Value time_text(Interpreter& interpreter, const Arguments& arguments) {
  const auto matched = arguments.match(interpreter.account(), "strftime_now", {"format"}, 1);
  const std::string& format = text_of(interpreter.account(), *matched[0], "the format of time");
  if (format.empty()) return Value::text("");
  constexpr size_t kLongest = 4096;
  if (format.size() > kLongest / 16) interpreter.account().fail("the format of time is too long");
  // A space in front tells an empty result from one that does not fit.
  std::array<char, kLongest> buffer;
  const size_t size =
      std::strftime(buffer.data(), buffer.size(), (" " + format).c_str(), &interpreter.now());
  if (size == 0)
    interpreter.account().fail("the format of time '{}' gives too long a text", format);
  return Value::text(tokenizer::replace_broken_utf8({buffer.data() + 1, size - 1}));
}

}  // namespace

std::vector<std::string> global_functions() {
  return {kNames.begin(), kNames.end()};
}

Value call_global(Interpreter& interpreter, const std::string& name, const Arguments& arguments) {
  Account& account = interpreter.account();
  if (name == "raise_exception") {
    const auto matched = arguments.match(account, name, {"message"}, 1);
    account.fail("the template refuses these messages: {}", printed(account, *matched[0]));
  }
  if (name == "namespace") return make_namespace(interpreter, arguments);
  if (name == "range") return make_range(account, arguments);
  if (name == "dict") return make_dict(account, dict_arguments(interpreter, arguments, name));
  return time_text(interpreter, arguments);
}

}  // namespace octet::chat

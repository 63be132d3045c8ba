// Jinja's filters that go over elements.
#include <algorithm>
#include <array>

#include "chat/characters.h"
#include "chat/filters.h"
#include "chat/operators.h"

namespace octet::chat {
namespace {

constexpr auto kGenerator = Sequence::Kind::generator;

/// The value at a path such as "function.name" or 0, or the value itself for none.
Value at_path(Interpreter& interpreter, const Value& value, const Value& path) {
  if (path.is_none() || path.is_undefined()) return value;
  if (path.as_integer()) return interpreter.item(value, path);
  const std::string& names = text_of(interpreter.account(), path, "an attribute's name");
  Value reached = value;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find('.', begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    const bool digits = !name.empty() && std::all_of(name.begin(), name.end(),
                                                     [](char c) { return c >= '0' && c <= '9'; });
    const auto index = digits ? parse_integer(name, 10) : std::nullopt;
    reached = interpreter.item(reached, index ? Value::integer(*index) : Value::text(name));
    begin = end + 1;
  }
  return reached;
}

Value without_case(Interpreter& interpreter, const Value& value, bool case_sensitive) {
  if (case_sensitive || value.if_text() == nullptr) return value;
  interpreter.account().bytes(4 * value.if_text()->size());
  return Value::text(lower(*value.if_text()));
}

Value length(Interpreter& interpreter, const Value& value, const Arguments&) {
  const auto found = length_of(interpreter.account(), value);
  if (!found) interpreter.account().fail("a {} has no length", value.type_name());
  return Value::integer(static_cast<int64_t>(*found));
}

Value first(Interpreter& interpreter, const Value& value, const Arguments&) {
  const Sequence* sequence = value.if_sequence();
  if (sequence != nullptr && sequence->kind == kGenerator) {
    if (sequence->taken < sequence->elements.size()) return sequence->elements[sequence->taken++];
  } else {
    const std::vector<Value> elements = elements_of(interpreter.account(), value);
    if (!elements.empty()) return elements.front();
  }
  return Value::undefined("there is no first element");
}

Value last(Interpreter& interpreter, const Value& value, const Arguments&) {
  const Sequence* sequence = value.if_sequence();
  if (sequence != nullptr && sequence->kind == kGenerator)
    interpreter.account().fail("a generator has no last element; make it a list");
  const std::vector<Value> elements = elements_of(interpreter.account(), value);
  return elements.empty() ? Value::undefined("there is no last element") : elements.back();
}

Value to_list(Interpreter& interpreter, const Value& value, const Arguments&) {
  return make_sequence(interpreter.account(), elements_of(interpreter.account(), value));
}

std::vector<Value> items_of(Account& account, const Dict& dict) {
  account.elements(4 * dict.pairs.size());
  std::vector<Value> items;
  for (const auto& [key, value] : dict.pairs)
    items.push_back(make_sequence(account, {key, value}, Sequence::Kind::tuple));
  return items;
}

Value items(Interpreter& interpreter, const Value& value, const Arguments&) {
  Account& account = interpreter.account();
  std::vector<Value> pairs;
  if (!value.is_undefined()) pairs = items_of(account, dict_of(account, value, "what items is of"));
  return make_sequence(account, std::move(pairs), kGenerator);
}

/// `elements` in the order of their keys; equal ones stay as they are.
std::vector<Value> sorted(Account& account, const std::vector<Value>& elements,
                          const std::vector<Value>& keys, bool reverse) {
  account.elements(elements.size());
  std::vector<size_t> order(elements.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t left, size_t right) {
    return reverse ? less(account, keys[right], keys[left])
                   : less(account, keys[left], keys[right]);
  });
  std::vector<Value> result;
  result.reserve(elements.size());
  for (size_t index : order) result.push_back(elements[index]);
  return result;
}

Value dictsort(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "dictsort", {"case_sensitive", "by", "reverse"});
  const std::string by = matched[1] ? text_of(account, *matched[1], "dictsort's by") : "key";
  if (by != "key" && by != "value") account.fail("dictsort goes by 'key' or 'value'");
  const Dict& dict = dict_of(account, value, "what is sorted");
  std::vector<Value> keys;
  for (const auto& [key, held] : dict.pairs) {
    keys.push_back(
        without_case(interpreter, by == "key" ? key : held, matched[0] && matched[0]->truth()));
  }
  return make_sequence(
      account, sorted(account, items_of(account, dict), keys, matched[2] && matched[2]->truth()));
}

Value sort(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "sort", {"reverse", "case_sensitive", "attribute"});
  const bool case_sensitive = matched[1] && matched[1]->truth();
  const Value path = matched[2].value_or(Value::none());
  if (path.if_text() != nullptr && path.if_text()->find(',') != std::string::npos)
    account.fail("sorting by several attributes is not supported");
  const std::vector<Value> elements = elements_of(account, value);
  std::vector<Value> keys;
  keys.reserve(elements.size());
  for (const Value& element : elements)
    keys.push_back(without_case(interpreter, at_path(interpreter, element, path), case_sensitive));
  return make_sequence(account, sorted(account, elements, keys, matched[0] && matched[0]->truth()));
}

Value unique(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "unique", {"case_sensitive", "attribute"});
  const bool case_sensitive = matched[0] && matched[0]->truth();
  std::vector<Value> seen;
  std::vector<Value> kept;
  for (const Value& element : elements_of(account, value)) {
    const Value key =
        without_case(interpreter, at_path(interpreter, element, matched[1].value_or(Value::none())),
                     case_sensitive);
    if (!is_hashable(key)) account.fail("'unique' cannot compare a {}", key.type_name());
    const bool known = std::any_of(seen.begin(), seen.end(),
                                   [&](const Value& each) { return equal(account, each, key); });
    if (known) continue;
    seen.push_back(key);
    kept.push_back(element);
  }
  return make_sequence(account, std::move(kept), kGenerator);
}

/// The smallest element, or the largest.
Value extreme(Interpreter& interpreter, const Value& value, const Arguments& arguments,
              bool largest) {
  Account& account = interpreter.account();
  const auto matched =
      arguments.match(account, largest ? "max" : "min", {"case_sensitive", "attribute"});
  const auto key_of = [&](const Value& element) {
    return without_case(interpreter,
                        at_path(interpreter, element, matched[1].value_or(Value::none())),
                        matched[0] && matched[0]->truth());
  };
  Value best = Value::undefined("there is no element");
  Value best_key;
  bool found = false;
  for (const Value& element : elements_of(account, value)) {
    const Value key = key_of(element);
    const bool better =
        !found || (largest ? less(account, best_key, key) : less(account, key, best_key));
    if (!better) continue;
    best = element;
    best_key = key;
    found = true;
  }
  return best;
}

Value smallest(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return extreme(interpreter, value, arguments, false);
}
Value largest(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return extreme(interpreter, value, arguments, true);
}

Value sum(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "sum", {"attribute", "start"});
  Value total = matched[1].value_or(Value::integer(0));
  if (total.if_text() != nullptr) account.fail("texts are joined, not summed");
  for (const Value& element : elements_of(account, value)) {
    total = arithmetic(account, "+", total,
                       at_path(interpreter, element, matched[0].value_or(Value::none())));
  }
  return total;
}

Value join(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "join", {"d", "attribute"});
  const std::string separator = matched[0] ? printed(account, *matched[0]) : "";
  std::string out;
  bool first_one = true;
  for (const Value& element : elements_of(account, value)) {
    account.bytes(separator.size());
    if (!std::exchange(first_one, false)) out += separator;
    out += printed(account, at_path(interpreter, element, matched[1].value_or(Value::none())));
  }
  return Value::text(std::move(out));
}

Value reverse(Interpreter& interpreter, const Value& value, const Arguments&) {
  Account& account = interpreter.account();
  if (value.if_text() != nullptr)
    return sliced(account, value, {.start = {}, .stop = {}, .step = -1});
  if (value.if_sequence() == nullptr && value.if_dict() == nullptr)
    account.fail("a {} cannot be reversed", value.type_name());
  std::vector<Value> elements = elements_of(account, value);
  std::reverse(elements.begin(), elements.end());
  return make_sequence(account, std::move(elements), kGenerator);
}

Value batch(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "batch", {"linecount", "fill_with"}, 1);
  const size_t size = count_of(account, *matched[0], "batch's size");
  if (size == 0) account.fail("batch's size must be at least 1");
  std::vector<Value> batches;
  std::vector<Value> current;
  for (const Value& element : elements_of(account, value)) {
    if (current.size() == size)
      batches.push_back(make_sequence(account, std::exchange(current, {})));
    current.push_back(element);
  }
  if (!current.empty()) {
    if (matched[1] && !matched[1]->is_none() && current.size() < size) {
      account.elements(size);
      current.resize(size, *matched[1]);
    }
    batches.push_back(make_sequence(account, std::move(current)));
  }
  return make_sequence(account, std::move(batches), kGenerator);
}

/// What map and select go over: nothing, if the value counts as false.
std::vector<Value> elements_if_any(Account& account, const Value& value) {
  return value.truth() ? elements_of(account, value) : std::vector<Value>();
}

Value map(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  std::vector<Value> results;
  if (arguments.positional.empty()) {
    const auto matched = arguments.match(account, "map", {"attribute", "default"}, 1);
    for (const Value& element : elements_if_any(account, value)) {
      Value found = at_path(interpreter, element, *matched[0]);
      const bool absent = found.is_undefined() && matched[1] && !matched[1]->is_none();
      if (absent) found = *matched[1];
      results.push_back(std::move(found));
    }
  } else {
    const std::string& filter = text_of(account, arguments.positional[0], "map's filter");
    const Arguments rest = {{arguments.positional.begin() + 1, arguments.positional.end()},
                            arguments.named};
    for (const Value& element : elements_if_any(account, value)) {
      account.step();
      results.push_back(interpreter.filtered(filter, element, rest));
    }
  }
  return make_sequence(account, std::move(results), kGenerator);
}

/// select and reject (by the element), selectattr and rejectattr (by an attribute of it).
Value selected(Interpreter& interpreter, const Value& value, const Arguments& arguments,
               bool by_attribute, bool wanted) {
  Account& account = interpreter.account();
  const auto& given = arguments.positional;
  const size_t at = by_attribute ? 1 : 0;
  if (given.size() < at) account.fail("selecting by an attribute needs its name");
  const Value path = by_attribute ? given[0] : Value::none();
  const std::string test = given.size() > at ? text_of(account, given[at], "a test's name") : "";
  Arguments rest = {{}, arguments.named};
  if (given.size() > at)
    rest.positional.assign(given.begin() + static_cast<std::ptrdiff_t>(at) + 1, given.end());
  std::vector<Value> kept;
  for (const Value& element : elements_if_any(account, value)) {
    account.step();
    const Value asked = at_path(interpreter, element, path);
    const bool holds = test.empty() ? asked.truth() : interpreter.passes(test, asked, rest);
    if (holds == wanted) kept.push_back(element);
  }
  return make_sequence(account, std::move(kept), kGenerator);
}

Value select(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return selected(interpreter, value, arguments, false, true);
}
Value reject(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return selected(interpreter, value, arguments, false, false);
}
Value selectattr(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return selected(interpreter, value, arguments, true, true);
}
Value rejectattr(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return selected(interpreter, value, arguments, true, false);
}

constexpr auto kFilters = std::to_array<Filter>({
    {"batch", batch},       {"count", length},
    {"dictsort", dictsort}, {"first", first},
    {"items", items},       {"join", join},
    {"last", last},         {"length", length},
    {"list", to_list},      {"map", map},
    {"max", largest},       {"min", smallest},
    {"reject", reject},     {"rejectattr", rejectattr},
    {"reverse", reverse},   {"select", select},
    {"sort", sort},         {"selectattr", selectattr},
    {"sum", sum},           {"unique", unique},
});

}  // namespace

std::span<const Filter> sequence_filters() {
  return kFilters;
}

}  // namespace octet::chat

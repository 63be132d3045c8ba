// The values of a chat template: what they hold, how they are made, what is equal and less.
#include "chat/value.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "chat/characters.h"
#include "tokenizer/utf8.h"

namespace octet::chat {

Value Value::undefined(std::string what) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(what))});
}

Value Value::text(std::string text) {
  return Value(std::make_shared<const std::string>(std::move(text)));
}

Value Value::markup(std::string text) {
  return Value(Markup{std::make_shared<const std::string>(std::move(text))});
}

namespace {

Value convert(const nlohmann::ordered_json& json, const std::string& source, int level) {
  if (level > kDeepestValue) fail("{}: is nested more than {} levels deep", source, kDeepestValue);
  if (json.is_null()) return Value::none();
  if (json.is_boolean()) return Value::boolean(json.get<bool>());
  if (json.is_number_float()) return Value::real(json.get<double>());
  if (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    fail("{}: the number {} is too large", source, json.get<uint64_t>());
  }
  if (json.is_number_integer()) return Value::integer(json.get<int64_t>());
  if (json.is_string()) {
    return Value::text(tokenizer::replace_broken_utf8(json.get_ref<const std::string&>()));
  }
  int depth = 0;
  if (json.is_array()) {
    auto list = std::make_shared<Sequence>();
    for (const auto& element : json) {
      list->elements.push_back(convert(element, source, level + 1));
      depth = std::max(depth, list->elements.back().depth());
    }
    list->depth = depth + 1;
    return Value::of(std::move(list));
  }
  if (!json.is_object()) fail("{}: holds a value that is no JSON", source);
  auto dict = std::make_shared<Dict>();
  for (const auto& [key, element] : json.items()) {
    dict->pairs.emplace_back(Value::text(tokenizer::replace_broken_utf8(key)),
                             convert(element, source, level + 1));
    depth = std::max(depth, dict->pairs.back().second.depth());
  }
  dict->depth = depth + 1;
  return Value::of(std::shared_ptr<const Dict>(std::move(dict)));
}

void check_depth(const Account& account, int depth) {
  if (depth > kDeepestValue) account.fail("a value is nested {} levels deep", depth);
}

}  // namespace

Value Value::from_json(const nlohmann::ordered_json& json, const std::string& source) {
  return convert(json, source, 1);
}

std::string Value::absence() const {
  const Undefined* undefined = std::get_if<Undefined>(&held_);
  return undefined == nullptr || undefined->what == nullptr ? "value is undefined"
                                                            : *undefined->what;
}

std::optional<int64_t> Value::as_integer() const {
  if (const bool* boolean = if_boolean()) return *boolean ? 1 : 0;
  if (const int64_t* integer = if_integer()) return *integer;
  return std::nullopt;
}

std::optional<double> Value::as_number() const {
  if (const double* real = if_real()) return *real;
  if (const auto integer = as_integer()) return static_cast<double>(*integer);
  return std::nullopt;
}

std::string_view Value::type_name() const {
  static constexpr std::string_view kNames[] = {"undefined", "NoneType", "bool",      "int",
                                                "float",     "str",      "list",      "dict",
                                                "function",  "loop",     "namespace", "str"};
  const Sequence* sequence = if_sequence();
  if (sequence == nullptr) return kNames[held_.index()];
  switch (sequence->kind) {
    case Sequence::Kind::list:
      return "list";
    case Sequence::Kind::tuple:
      return "tuple";
    case Sequence::Kind::range:
      return "range";
    case Sequence::Kind::view:
      return "dict view";
    case Sequence::Kind::generator:
      return "generator";
  }
  return "";
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (const auto number = as_number()) return *number != 0;
  if (const std::string* text = if_text()) return !text->empty();
  if (const Dict* dict = if_dict()) return !dict->pairs.empty();
  if (const Sequence* sequence = if_sequence()) {
    return sequence->kind == Sequence::Kind::generator || !sequence->elements.empty();
  }
  return true;
}

int Value::depth() const {
  if (const Sequence* sequence = if_sequence()) return sequence->depth;
  if (const Dict* dict = if_dict()) return dict->depth;
  if (const Loop* loop = if_loop()) return loop->depth;
  if (const Callable* callable = if_callable()) return callable->self.depth() + 1;
  return 0;
}

bool Value::same_as(const Value& other) const {
  if (if_text() != nullptr && other.if_text() != nullptr) return *if_text() == *other.if_text();
  if (held_.index() != other.held_.index()) return false;
  if (const auto integer = as_integer()) return *integer == *other.as_integer();
  if (if_real() != nullptr) return *if_real() == *other.if_real();
  return if_sequence() == other.if_sequence() && if_dict() == other.if_dict() &&
         if_callable() == other.if_callable() && if_loop() == other.if_loop() &&
         if_namespace() == other.if_namespace();
}

const Value* Dict::find(Account& account, const Value& key) const {
  if (const std::string* text = key.if_text()) return find(account, *text);
  account.elements(pairs.size() / 8);
  const auto found = std::find_if(pairs.begin(), pairs.end(), [&](const Pair& pair) {
    return equal(account, pair.first, key);
  });
  return found == pairs.end() ? nullptr : &found->second;
}

const Value* Dict::find(Account& account, std::string_view key) const {
  account.elements(pairs.size() / 8);
  for (const Pair& pair : pairs) {
    const std::string* text = pair.first.if_text();
    if (text != nullptr && *text == key) return &pair.second;
  }
  return nullptr;
}

void Namespace::set(Account& account, const std::string& name, Value value) {
  account.elements(attributes.size() / 8);
  for (auto& [known, held] : attributes) {
    if (known == name) {
      held = std::move(value);
      return;
    }
  }
  attributes.emplace_back(name, std::move(value));
}

const Value* Namespace::find(Account& account, std::string_view name) const {
  account.elements(attributes.size() / 8);
  for (const auto& [known, held] : attributes) {
    if (known == name) return &held;
  }
  return nullptr;
}

Value make_sequence(Account& account, std::vector<Value> elements, Sequence::Kind kind) {
  account.elements(elements.size());
  auto sequence = std::make_shared<Sequence>();
  sequence->kind = kind;
  for (const Value& element : elements)
    sequence->depth = std::max(sequence->depth, element.depth() + 1);
  check_depth(account, sequence->depth);
  sequence->elements = std::move(elements);
  return Value::of(std::move(sequence));
}

Value make_dict(Account& account, std::vector<Pair> pairs) {
  Dict distinct;
  for (Pair& pair : pairs) {
    if (!is_hashable(pair.first)) {
      account.fail("a {} cannot be the key of a dict", pair.first.type_name());
    }
    // The dict is still being made, so its values may change.
    if (const Value* known = distinct.find(account, pair.first)) {
      const_cast<Value&>(*known) = std::move(pair.second);
    } else {
      distinct.pairs.push_back(std::move(pair));
    }
  }
  return make_distinct_dict(account, std::move(distinct.pairs));
}

Value make_distinct_dict(Account& account, std::vector<Pair> pairs) {
  account.elements(2 * pairs.size());
  auto dict = std::make_shared<Dict>();
  for (const Pair& pair : pairs)
    dict->depth = std::max({dict->depth, pair.first.depth() + 1, pair.second.depth() + 1});
  check_depth(account, dict->depth);
  dict->pairs = std::move(pairs);
  return Value::of(std::shared_ptr<const Dict>(std::move(dict)));
}

namespace {

bool equal_elements(Account& account, const Sequence& left, const Sequence& right) {
  if (left.kind != right.kind || left.kind > Sequence::Kind::range) return &left == &right;
  if (left.elements.size() != right.elements.size()) return false;
  account.elements(left.elements.size());
  return std::equal(left.elements.begin(), left.elements.end(), right.elements.begin(),
                    [&](const Value& a, const Value& b) { return equal(account, a, b); });
}

bool equal_pairs(Account& account, const Dict& left, const Dict& right) {
  if (left.pairs.size() != right.pairs.size()) return false;
  return std::all_of(left.pairs.begin(), left.pairs.end(), [&](const Pair& pair) {
    const Value* other = right.find(account, pair.first);
    return other != nullptr && equal(account, pair.second, *other);
  });
}

}  // namespace

bool equal(Account& account, const Value& left, const Value& right) {
  account.step();
  const auto a = left.as_integer();
  const auto b = right.as_integer();
  if (a && b) return *a == *b;
  if (left.as_number() && right.as_number()) return *left.as_number() == *right.as_number();
  if (left.if_text() != nullptr && right.if_text() != nullptr) {
    if (left.if_text()->size() == right.if_text()->size()) account.bytes(left.if_text()->size());
    return *left.if_text() == *right.if_text();
  }
  if (left.if_sequence() != nullptr && right.if_sequence() != nullptr) {
    return equal_elements(account, *left.if_sequence(), *right.if_sequence());
  }
  if (left.if_dict() != nullptr && right.if_dict() != nullptr) {
    return equal_pairs(account, *left.if_dict(), *right.if_dict());
  }
  if (left.is_undefined() || left.is_none())
    return left.is_undefined() == right.is_undefined() && left.is_none() == right.is_none();
  return left.same_as(right);
}

bool less(Account& account, const Value& left, const Value& right) {
  account.step();
  const auto a = left.as_integer();
  const auto b = right.as_integer();
  if (a && b) return *a < *b;
  if (left.as_number() && right.as_number()) return *left.as_number() < *right.as_number();
  if (left.if_text() != nullptr && right.if_text() != nullptr) {
    account.bytes(std::min(left.if_text()->size(), right.if_text()->size()));
    return *left.if_text() < *right.if_text();  // UTF-8 sorts as its code points do
  }
  const Sequence* first = left.if_sequence();
  const Sequence* second = right.if_sequence();
  if (first == nullptr || second == nullptr || first->kind != second->kind ||
      first->kind > Sequence::Kind::tuple) {
    for (const Value* value : {&left, &right}) {
      if (value->is_undefined()) account.fail("{}", value->absence());
    }
    account.fail("a {} and a {} have no order", left.type_name(), right.type_name());
  }
  const size_t shared = std::min(first->elements.size(), second->elements.size());
  for (size_t i = 0; i < shared; ++i) {
    if (!equal(account, first->elements[i], second->elements[i])) {
      return less(account, first->elements[i], second->elements[i]);
    }
  }
  return first->elements.size() < second->elements.size();
}

bool is_hashable(const Value& value) {
  if (value.if_dict() != nullptr) return false;
  const Sequence* sequence = value.if_sequence();
  if (sequence == nullptr) return true;
  return sequence->kind == Sequence::Kind::tuple &&
         std::all_of(sequence->elements.begin(), sequence->elements.end(), is_hashable);
}

std::vector<Value> elements_of(Account& account, const Value& value) {
  std::vector<Value> elements;
  if (const Sequence* sequence = value.if_sequence()) {
    account.elements(sequence->elements.size());
    if (sequence->kind != Sequence::Kind::generator) return sequence->elements;
    elements.assign(sequence->elements.begin() + static_cast<std::ptrdiff_t>(sequence->taken),
                    sequence->elements.end());
    sequence->taken = sequence->elements.size();
  } else if (const Dict* dict = value.if_dict()) {
    account.elements(dict->pairs.size());
    for (const Pair& pair : dict->pairs) elements.push_back(pair.first);
  } else if (const std::string* text = value.if_text()) {
    account.elements(3 * text->size());  // each becomes a text of its own
    for (std::string_view character : characters(*text))
      elements.push_back(Value::text(std::string(character)));
  } else if (!value.is_undefined()) {
    account.fail("a {} has no elements to go over", value.type_name());
  }
  return elements;
}

std::optional<size_t> length_of(Account& account, const Value& value) {
  if (value.is_undefined()) return 0;
  if (const std::string* text = value.if_text()) {
    account.bytes(text->size() / 8);
    return character_count(*text);
  }
  if (const Dict* dict = value.if_dict()) return dict->pairs.size();
  if (const Loop* loop = value.if_loop()) return loop->elements.size();
  const Sequence* sequence = value.if_sequence();
  if (sequence == nullptr || sequence->kind == Sequence::Kind::generator) return std::nullopt;
  return sequence->elements.size();
}

}  // namespace octet::chat

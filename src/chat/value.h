// The values of a chat template, with Python's meaning: what is true, equal, less, printed.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "chat/limits.h"

namespace octet::chat {

struct Sequence;
struct Dict;
struct Namespace;
struct Callable;
struct Loop;

/// A value; copies share what is inside. Only namespaces and generators ever change.
class Value {
 public:
  /// Something that was looked up and is not there; `what` describes it in errors.
  struct Undefined {
    std::shared_ptr<const std::string> what;
  };
  struct None {};

  Value() = default;
  static Value undefined(std::string what);
  static Value none() { return Value(None{}); }
  static Value boolean(bool value) { return Value(value); }
  static Value integer(int64_t value) { return Value(value); }
  static Value real(double value) { return Value(value); }
  /// `text` must be well-formed UTF-8.
  static Value text(std::string text);
  /// A text marked safe for HTML, as Jinja's `safe` and `escape` make it: what is added to it with
  /// + gets escaped. In all else it is a text.
  static Value markup(std::string text);
  static Value of(std::shared_ptr<Sequence> value) { return Value(std::move(value)); }
  static Value of(std::shared_ptr<const Dict> value) { return Value(std::move(value)); }
  static Value of(std::shared_ptr<const Callable> value) { return Value(std::move(value)); }
  static Value of(std::shared_ptr<const Loop> value) { return Value(std::move(value)); }
  static Value of(Namespace* value) { return Value(value); }

  /// Throws Error naming `source` when it is nested too deeply or a number has no value here.
  static Value from_json(const nlohmann::ordered_json& json, const std::string& source);

  bool is_undefined() const { return std::holds_alternative<Undefined>(held_); }
  bool is_none() const { return std::holds_alternative<None>(held_); }
  /// What is absent, for an undefined value: "'tools' is undefined".
  std::string absence() const;

  const bool* if_boolean() const { return std::get_if<bool>(&held_); }
  /// Not for booleans, which Python also counts as integers: see as_integer().
  const int64_t* if_integer() const { return std::get_if<int64_t>(&held_); }
  const double* if_real() const { return std::get_if<double>(&held_); }
  const std::string* if_text() const {
    const Markup* markup = std::get_if<Markup>(&held_);
    return markup == nullptr ? pointee<const std::string>() : markup->text.get();
  }
  bool is_markup() const { return std::holds_alternative<Markup>(held_); }
  const Sequence* if_sequence() const { return pointee<Sequence>(); }
  const Dict* if_dict() const { return pointee<const Dict>(); }
  const Callable* if_callable() const { return pointee<const Callable>(); }
  const Loop* if_loop() const { return pointee<const Loop>(); }
  Namespace* if_namespace() const {
    Namespace* const* held = std::get_if<Namespace*>(&held_);
    return held == nullptr ? nullptr : *held;
  }

  /// The value of an integer or boolean.
  std::optional<int64_t> as_integer() const;
  /// The value of an integer, boolean or real.
  std::optional<double> as_number() const;

  /// Python's name of the type, for errors and as the order of alternatives.
  std::string_view type_name() const;
  bool truth() const;
  /// 0 for what contains nothing; lists and objects count themselves.
  int depth() const;
  /// The same object, as Python's `is`.
  bool same_as(const Value& other) const;

 private:
  struct Markup {
    std::shared_ptr<const std::string> text;
  };
  using Held = std::variant<Undefined, None, bool, int64_t, double,
                            std::shared_ptr<const std::string>, std::shared_ptr<Sequence>,
                            std::shared_ptr<const Dict>, std::shared_ptr<const Callable>,
                            std::shared_ptr<const Loop>, Namespace*, Markup>;

  template <typename T>
  explicit Value(T value) : held_(std::move(value)) {}

  template <typename T>
  T* pointee() const {
    const std::shared_ptr<T>* held = std::get_if<std::shared_ptr<T>>(&held_);
    return held == nullptr ? nullptr : held->get();
  }

  Held held_;
};

/// What has elements in an order.
struct Sequence {
  enum class Kind {
    list,
    tuple,
    range,
    view,      ///< a dict's keys(), values() or items(): no index
    generator  ///< what filters such as map give: gone over once, no length, always true
  };
  Kind kind = Kind::list;
  std::vector<Value> elements;
  int depth = 1;
  mutable size_t taken = 0;  ///< of a generator: how many elements are gone
};

using Pair = std::pair<Value, Value>;

/// Keys and values in the order in which the keys came.
struct Dict {
  std::vector<Pair> pairs;
  int depth = 1;

  /// Null when there is no such key.
  const Value* find(Account& account, const Value& key) const;
  const Value* find(Account& account, std::string_view key) const;
};

/// What a template made by namespace(): the only thing it can change.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;

  void set(Account& account, const std::string& name, Value value);
  const Value* find(Account& account, std::string_view name) const;
};

/// `loop` inside a for.
struct Loop {
  std::vector<Value> elements;
  size_t index = 0;
  int depth = 1;
  mutable std::optional<Value> last_changed;  ///< what changed() saw last
};

struct Statement;
struct Scope;

/// What can be called.
struct Callable {
  enum class Kind { global, method, macro };
  Kind kind = Kind::global;
  std::string name;
  Value self = {};                   ///< of a method
  const Statement* macro = nullptr;  ///< of a macro or the body of a call block
  Scope* scope = nullptr;            ///< where the macro was defined
};

/// A list or other sequence of these elements. Throws Error when it is nested too deeply.
Value make_sequence(Account& account, std::vector<Value> elements,
                    Sequence::Kind kind = Sequence::Kind::list);

/// A dict of these pairs; of equal keys the last counts, at the first one's place.
Value make_dict(Account& account, std::vector<Pair> pairs);
/// The same when all keys differ.
Value make_distinct_dict(Account& account, std::vector<Pair> pairs);

/// Python's ==.
bool equal(Account& account, const Value& left, const Value& right);

/// Python's <; throws Error for types without an order between them.
bool less(Account& account, const Value& left, const Value& right);

/// Whether Python could take it as a dict's key.
bool is_hashable(const Value& value);

/// The elements that going over the value gives: of a dict the keys, of a text its characters.
/// A generator is empty afterwards. Throws Error for what has none.
std::vector<Value> elements_of(Account& account, const Value& value);

/// Python's len(), if the value has one; texts count characters.
std::optional<size_t> length_of(Account& account, const Value& value);

/// With & < > ' and " as HTML writes them.
std::string html_escaped(std::string_view text);

/// Python's str(): what {{ value }} prints.
std::string printed(Account& account, const Value& value);

/// Python's repr(): texts in quotes.
std::string represented(Account& account, const Value& value);

}  // namespace octet::chat

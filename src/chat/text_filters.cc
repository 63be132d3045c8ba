// Jinja's filters that give texts and numbers.
#include <algorithm>
#include <array>
#include <cmath>

#include "chat/characters.h"
#include "chat/filters.h"
#include "chat/operators.h"

namespace octet::chat {
namespace {

/// The text of the value, as filters take it; all their arguments are charged there.
std::string text_from(Interpreter& interpreter, const Value& value) {
  return printed(interpreter.account(), value);
}

/// A text that is marked as `original` is.
Value like(const Value& original, std::string text) {
  return original.is_markup() ? Value::markup(std::move(text)) : Value::text(std::move(text));
}

/// A filter without arguments that makes one text of another.
template <typename Function>
Value changed(Interpreter& interpreter, const Value& value, const Arguments& arguments,
              std::string_view name, Function function) {
  (void)arguments.match(interpreter.account(), name, {});
  const std::string text = text_from(interpreter, value);
  interpreter.account().bytes(4 * text.size());
  return like(value, function(text));
}

Value to_upper(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return changed(interpreter, value, arguments, "upper", upper);
}
Value to_lower(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return changed(interpreter, value, arguments, "lower", lower);
}
Value to_capitalized(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return changed(interpreter, value, arguments, "capitalize", capitalized);
}

/// Words begin after white space, a hyphen or an opening bracket: not what str.title() does.
std::string jinja_title(const std::string& text) {
  std::string out;
  std::string word;
  const auto finish_word = [&] {
    const size_t first = character_offset(word, 1);
    out += upper(std::string_view(word).substr(0, first)) +
           lower(std::string_view(word).substr(first));
    word.clear();
  };
  for (std::string_view character : characters(text)) {
    const bool parts = std::string_view("-({[<").find(character) != std::string_view::npos ||
                       strip(character, Side::both).empty();
    if (!parts) {
      word += character;
      continue;
    }
    finish_word();
    out += character;
  }
  finish_word();
  return out;
}

Value to_title(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return changed(interpreter, Value::text(text_from(interpreter, value)), arguments, "title",
                 jinja_title);
}

Value escape(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  if (value.is_markup()) return value;
  (void)arguments.match(interpreter.account(), "escape", {});
  const std::string text = text_from(interpreter, value);
  interpreter.account().bytes(6 * text.size());
  return Value::markup(html_escaped(text));
}

Value mark_safe(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  (void)arguments.match(interpreter.account(), "safe", {});
  return Value::markup(text_from(interpreter, value));
}

Value to_text(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return changed(interpreter, value, arguments, "string",
                 [](const std::string& text) { return text; });
}

Value trim(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "trim", {"chars"});
  std::optional<std::string_view> set;
  if (matched[0] && !matched[0]->is_none()) set = text_of(account, *matched[0], "trim's argument");
  return like(value, std::string(strip(text_from(interpreter, value), Side::both, set)));
}

Value replace(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "replace", {"old", "new", "count"}, 2);
  Arguments texts;
  texts.positional = {Value::text(printed(account, *matched[0])),
                      Value::text(printed(account, *matched[1]))};
  if (matched[2] && !matched[2]->is_none()) texts.positional.push_back(*matched[2]);
  const Callable method = {.kind = Callable::Kind::method,
                           .name = "replace",
                           .self = Value::text(text_from(interpreter, value))};
  return call_method(interpreter, method, texts);
}

Value indent(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "indent", {"width", "first", "blank"});
  const Value width = matched[0].value_or(Value::integer(4));
  const bool first = matched[1] && matched[1]->truth();
  const bool blank = matched[2] && matched[2]->truth();
  const std::string margin =
      width.if_text() != nullptr
          ? *width.if_text()
          : *repeated(account, Value::text(" "), integer_of(account, width, "a width")).if_text();
  const std::string text = text_of(account, value, "what is indented") + "\n";
  std::string out;
  const std::vector<std::string_view> lines = split_lines(text, /*keep=*/false);
  for (size_t i = 0; i < lines.size(); ++i) {
    account.bytes(margin.size() + lines[i].size() + 1);
    if (i > 0) out += '\n';
    const bool indented = i == 0 ? first : blank || !lines[i].empty();
    if (indented) out += margin;
    out += lines[i];
  }
  return like(value, std::move(out));
}

Value format(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  if (!arguments.named.empty()) account.fail("'format' with named arguments is not supported");
  const Value values = make_sequence(account, arguments.positional, Sequence::Kind::tuple);
  return Value::text(formatted(account, text_from(interpreter, value), values));
}

Value to_json(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched =
      arguments.match(account, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = matched[0] && matched[0]->truth();
  style.sort_keys = matched[3] && matched[3]->truth();
  if (matched[1] && !matched[1]->is_none()) {
    style.lines = true;
    style.after_element = ",";
    style.indent = matched[1]->if_text() != nullptr
                       ? *matched[1]->if_text()
                       : *repeated(account, Value::text(" "),
                                   integer_of(account, *matched[1], "tojson's indent"))
                              .if_text();
  }
  if (matched[2] && !matched[2]->is_none()) {
    const std::vector<Value> marks = elements_of(account, *matched[2]);
    if (marks.size() != 2) account.fail("tojson's separators must be two texts");
    style.after_element = text_of(account, marks[0], "a separator");
    style.after_key = text_of(account, marks[1], "a separator");
  }
  return Value::text(json_text(account, value, style));
}

/// Towards zero, as Python's int().
std::optional<Value> whole_part(double real) {
  if (!std::isfinite(real)) return std::nullopt;
  if (!(std::fabs(real) < 9.2e18)) fail("the number {} is too large", real_text(real));
  return Value::integer(static_cast<int64_t>(real));
}

Value to_integer(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "int", {"default", "base"});
  const Value otherwise = matched[0].value_or(Value::integer(0));
  const int64_t base = matched[1] ? integer_of(account, *matched[1], "int's base") : 10;
  if (base != 0 && (base < 2 || base > 36)) account.fail("int's base must be 2 to 36, or 0");
  if (value.is_undefined()) account.fail("{}", value.absence());
  if (const auto integer = value.as_integer()) return Value::integer(*integer);
  std::optional<double> real = value.as_number();
  if (const std::string* text = value.if_text()) {
    account.bytes(text->size());
    if (const auto integer = parse_integer(*text, static_cast<int>(base)))
      return Value::integer(*integer);
    real = parse_real(*text);
  }
  return real ? whole_part(*real).value_or(otherwise) : otherwise;
}

Value to_real(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const auto matched = arguments.match(interpreter.account(), "float", {"default"});
  if (value.is_undefined()) interpreter.account().fail("{}", value.absence());
  if (const auto number = value.as_number()) return Value::real(*number);
  if (const std::string* text = value.if_text()) {
    interpreter.account().bytes(text->size());
    if (const auto real = parse_real(*text)) return Value::real(*real);
  }
  return matched[0].value_or(Value::real(0));
}

Value magnitude(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  (void)arguments.match(account, "abs", {});
  if (const double* real = value.if_real()) return Value::real(std::fabs(*real));
  const int64_t integer = integer_of(account, value, "what abs is taken of");
  return with_sign(account, integer < 0, Value::integer(integer));
}

Value rounded(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  Account& account = interpreter.account();
  const auto matched = arguments.match(account, "round", {"precision", "method"});
  const int64_t digits = matched[0] ? integer_of(account, *matched[0], "round's precision") : 0;
  const std::string method =
      matched[1] ? text_of(account, *matched[1], "round's method") : "common";
  if (digits < 0 || digits > 15) account.fail("rounding to {} digits is not supported", digits);
  if (!value.as_number()) account.fail("a {} cannot be rounded", value.type_name());
  const double number = *value.as_number();
  if (method == "common") {
    if (value.as_integer()) return Value::integer(*value.as_integer());
    return Value::real(std::strtod(fmt::format("{:.{}f}", number, digits).c_str(), nullptr));
  }
  const double scale = std::pow(10.0, static_cast<double>(digits));
  if (method == "ceil") return Value::real(std::ceil(number * scale) / scale);
  if (method == "floor") return Value::real(std::floor(number * scale) / scale);
  account.fail("round's method '{}' is not common, ceil or floor", method);
}

Value otherwise(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const auto matched =
      arguments.match(interpreter.account(), "default", {"default_value", "boolean"});
  const bool replaced =
      value.is_undefined() || (matched[1] && matched[1]->truth() && !value.truth());
  return replaced ? matched[0].value_or(Value::text("")) : value;
}

constexpr auto kFilters = std::to_array<Filter>({
    {"abs", magnitude},  {"capitalize", to_capitalized},
    {"d", otherwise},    {"default", otherwise},
    {"e", escape},       {"escape", escape},
    {"float", to_real},  {"format", format},
    {"indent", indent},  {"int", to_integer},
    {"lower", to_lower}, {"replace", replace},
    {"round", rounded},  {"safe", mark_safe},
    {"string", to_text}, {"title", to_title},
    {"tojson", to_json}, {"trim", trim},
    {"upper", to_upper},
});

}  // namespace

std::span<const Filter> text_filters() {
  return kFilters;
}

}  // namespace octet::chat

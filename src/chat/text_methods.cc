// The methods of Python's str, for the texts of a chat template.
#include "chat/text_methods.h"

#include <algorithm>
#include <array>

#include "chat/characters.h"
#include "chat/operators.h"

namespace octet::chat {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

/// One call: the text, the method's name for errors, the arguments.
struct Call {
  Account& account;
  const std::string& text;
  std::string_view name;
  const Arguments& arguments;

  auto match(std::initializer_list<std::string_view> parameters, size_t required = 0) const {
    return arguments.match(account, name, parameters, required);
  }
  const std::string& text_argument(const std::optional<Value>& value) const {
    return text_of(account, *value, "the argument of this method");
  }
};

Value made(const Call& call, std::string text) {
  call.account.bytes(text.size());
  return Value::text(std::move(text));
}

Value pieces(const Call& call, const std::vector<std::string_view>& views,
             Sequence::Kind kind = Sequence::Kind::list) {
  call.account.elements(3 * views.size());
  std::vector<Value> elements;
  elements.reserve(views.size());
  for (std::string_view view : views) elements.push_back(Value::text(std::string(view)));
  return make_sequence(call.account, std::move(elements), kind);
}

Value stripped(const Call& call) {
  const Side side = call.name == "lstrip"   ? Side::left
                    : call.name == "rstrip" ? Side::right
                                            : Side::both;
  const auto matched = call.match({"chars"});
  std::optional<std::string_view> set;
  if (matched[0] && !matched[0]->is_none()) set = call.text_argument(matched[0]);
  call.account.bytes(call.text.size() + set.value_or("").size());
  return made(call, std::string(strip(call.text, side, set)));
}

std::vector<std::string_view> split_at_spaces(std::string_view text, size_t most) {
  std::vector<std::string_view> parts;
  for (text = strip(text, Side::left); !text.empty(); text = strip(text, Side::left)) {
    size_t end = 0;
    while (end < text.size() &&
           !strip(text.substr(end, character_offset(text.substr(end), 1)), Side::left).empty())
      end += character_offset(text.substr(end), 1);
    if (parts.size() == most) {
      parts.push_back(strip(text, Side::right));
      break;
    }
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<std::string_view> split_at_spaces_from_right(std::string_view text, size_t most) {
  std::vector<std::string_view> parts = split_at_spaces(text, kNowhere);
  if (parts.size() <= most) return parts;
  const std::string_view end_of_rest = parts[parts.size() - most - 1];
  const std::string_view rest = strip(text, Side::left);
  const auto length = static_cast<size_t>(end_of_rest.data() + end_of_rest.size() - rest.data());
  parts.erase(parts.begin(), parts.end() - static_cast<std::ptrdiff_t>(most) - 1);
  parts[0] = rest.substr(0, length);
  return parts;
}

std::vector<std::string_view> split_at(const Call& call, std::string_view separator, size_t most) {
  std::vector<std::string_view> parts;
  std::string_view rest = call.text;
  while (parts.size() < most) {
    const size_t at = find_text(call.account, rest, separator);
    if (at == kNowhere) break;
    call.account.elements(3);
    parts.push_back(rest.substr(0, at));
    rest.remove_prefix(at + separator.size());
  }
  parts.push_back(rest);
  return parts;
}

std::vector<std::string_view> split_from_right(const Call& call, std::string_view separator,
                                               size_t most) {
  std::vector<std::string_view> parts;
  std::string_view rest = call.text;
  while (parts.size() < most) {
    call.account.bytes(rest.size() + separator.size());
    const size_t at = rest.rfind(separator);
    if (at == kNowhere) break;
    parts.push_back(rest.substr(at + separator.size()));
    rest = rest.substr(0, at);
  }
  parts.push_back(rest);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

Value split(const Call& call) {
  const bool from_right = call.name == "rsplit";
  const auto matched = call.match({"sep", "maxsplit"});
  const int64_t most_given = matched[1] ? integer_of(call.account, *matched[1], "maxsplit") : -1;
  const size_t most = most_given < 0 ? kNowhere : static_cast<size_t>(most_given);
  call.account.bytes(call.text.size());
  if (!matched[0] || matched[0]->is_none()) {
    return pieces(call, from_right ? split_at_spaces_from_right(call.text, most)
                                   : split_at_spaces(call.text, most));
  }
  const std::string& separator = call.text_argument(matched[0]);
  if (separator.empty()) call.account.fail("a text cannot be split at an empty text");
  return pieces(call, from_right && most != kNowhere ? split_from_right(call, separator, most)
                                                     : split_at(call, separator, most));
}

Value partition(const Call& call) {
  const std::string& separator = call.text_argument(call.match({"sep"}, 1)[0]);
  if (separator.empty()) call.account.fail("a text cannot be split at an empty text");
  const bool from_right = call.name == "rpartition";
  std::vector<std::string_view> parts =
      from_right ? split_from_right(call, separator, 1) : split_at(call, separator, 1);
  if (parts.size() == 2) {
    parts.insert(parts.begin() + 1, separator);
  } else if (from_right) {
    parts = {"", "", parts[0]};
  } else {
    parts = {parts[0], "", ""};
  }
  return pieces(call, parts, Sequence::Kind::tuple);
}

/// startswith and endswith, of a text or a tuple of texts.
Value has_end(const Call& call) {
  const auto matched = call.match({"prefix"}, 1);
  const Sequence* tuple = matched[0]->if_sequence();
  std::vector<Value> choices = {*matched[0]};
  if (tuple != nullptr && tuple->kind == Sequence::Kind::tuple) choices = tuple->elements;
  for (const Value& choice : choices) {
    const std::string& end = text_of(call.account, choice, "the argument of this method");
    call.account.bytes(end.size());
    if (call.name == "startswith" ? call.text.starts_with(end) : call.text.ends_with(end))
      return Value::boolean(true);
  }
  return Value::boolean(false);
}

Value replaced(const Call& call) {
  const auto matched = call.match({"old", "new", "count"}, 2);
  const std::string& old_text = call.text_argument(matched[0]);
  const std::string& new_text = call.text_argument(matched[1]);
  const int64_t given = matched[2] ? integer_of(call.account, *matched[2], "replace's count") : -1;
  size_t left = given < 0 ? kNowhere : static_cast<size_t>(given);
  std::string out;
  std::string_view rest = call.text;
  // An empty text stands before every character and at the end.
  const bool between = old_text.empty();
  while (left > 0) {
    const size_t at = between ? 0 : find_text(call.account, rest, old_text);
    if (at == kNowhere) break;
    const size_t kept = between ? character_offset(rest, 1) : at;
    call.account.bytes(kept + new_text.size() + 16);
    if (between) out += new_text;
    out += rest.substr(0, kept);
    if (!between) out += new_text;
    --left;
    if (between && rest.empty()) return made(call, std::move(out));
    rest.remove_prefix(kept + old_text.size());
  }
  return made(call, out.append(rest));
}

/// find, rfind, index, rindex: as a character's number.
Value found(const Call& call) {
  const std::string& what = call.text_argument(call.match({"sub"}, 1)[0]);
  const bool from_right = call.name.starts_with('r');
  size_t at = find_text(call.account, call.text, what);
  if (from_right) {
    call.account.bytes(call.text.size());
    at = call.text.rfind(what);
  }
  if (at != kNowhere) {
    return Value::integer(
        static_cast<int64_t>(character_count(std::string_view(call.text).substr(0, at))));
  }
  if (call.name.ends_with("index")) call.account.fail("'{}' is not in the text", what);
  return Value::integer(-1);
}

Value counted(const Call& call) {
  const std::string& what = call.text_argument(call.match({"sub"}, 1)[0]);
  if (what.empty()) return Value::integer(static_cast<int64_t>(character_count(call.text)) + 1);
  int64_t count = 0;
  size_t from = 0;
  for (; (from = find_text(call.account, call.text, what, from)) != kNowhere; from += what.size())
    ++count;
  return Value::integer(count);
}

Value joined(const Call& call) {
  const auto matched = call.match({"iterable"}, 1);
  std::string out;
  bool first = true;
  for (const Value& element : elements_of(call.account, *matched[0])) {
    const std::string& part = text_of(call.account, element, "an element that is joined");
    call.account.bytes(part.size() + call.text.size());
    if (!std::exchange(first, false)) out += call.text;
    out += part;
  }
  return Value::text(std::move(out));
}

Value padded(const Call& call) {
  const auto matched = call.match({"width", "fillchar"}, 1);
  const std::string fill = call.name == "zfill" ? "0"
                           : matched[1]         ? call.text_argument(matched[1])
                                                : " ";
  if (character_count(fill) != 1) call.account.fail("a text is filled with one character");
  const size_t width = count_of(call.account, *matched[0], "a width");
  const size_t length = character_count(call.text);
  if (width <= length) return Value::text(call.text);
  const size_t missing = width - length;
  call.account.bytes(missing < (size_t{1} << 40) ? missing * fill.size() : missing);
  // Python puts the odd one of center() on the left when the width is odd.
  const size_t before = call.name == "ljust"    ? 0
                        : call.name == "center" ? missing / 2 + (missing & width & 1)
                                                : missing;
  std::string left;
  std::string right;
  for (size_t i = 0; i < missing; ++i) (i < before ? left : right) += fill;
  const bool sign =
      call.name == "zfill" && (call.text.starts_with('-') || call.text.starts_with('+'));
  if (sign) return made(call, call.text.substr(0, 1) + left + call.text.substr(1));
  return made(call, left + call.text + right);
}

Value without_end(const Call& call) {
  const std::string& end = call.text_argument(call.match({"affix"}, 1)[0]);
  std::string_view rest = call.text;
  if (call.name == "removeprefix" && rest.starts_with(end)) {
    rest.remove_prefix(end.size());
  } else if (call.name == "removesuffix" && rest.ends_with(end)) {
    rest.remove_suffix(end.size());
  }
  return made(call, std::string(rest));
}

/// str.format() with plain places: {}, {0}, {name}.
Value filled_in(const Call& call) {
  std::string out;
  size_t next = 0;
  const std::string_view text = call.text;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      out += text[i++];
      continue;
    }
    const size_t end = text.find('}', i);
    if (c == '}' || end == kNowhere) call.account.fail("a single '{}' in the format", c);
    const std::string_view place = text.substr(i + 1, end - i - 1);
    if (place.find_first_of(":!.[{") != kNowhere)
      call.account.fail("the place '{{{}}}' of a format is not supported", place);
    const auto number = parse_integer(place, 10);
    const size_t index = place.empty() ? next++ : number ? static_cast<size_t>(*number) : kNowhere;
    const auto& named = call.arguments.named;
    const auto by_name = std::find_if(named.begin(), named.end(),
                                      [&](const auto& each) { return each.first == place; });
    if (index < call.arguments.positional.size()) {
      out += printed(call.account, call.arguments.positional[index]);
    } else if (by_name != named.end()) {
      out += printed(call.account, by_name->second);
    } else {
      call.account.fail("the format has no value for '{{{}}}'", place);
    }
    i = end;
  }
  return made(call, std::move(out));
}

Value lines(const Call& call) {
  const auto matched = call.match({"keepends"});
  call.account.bytes(call.text.size());
  return pieces(call, split_lines(call.text, matched[0] && matched[0]->truth()));
}

template <std::string (*function)(std::string_view)>
Value changed(const Call& call) {
  (void)call.match({});
  call.account.bytes(4 * call.text.size());
  return Value::text(function(call.text));
}

template <Class wanted>
Value all_of_class(const Call& call) {
  (void)call.match({});
  call.account.bytes(4 * call.text.size());
  return Value::boolean(all_in(call.text, wanted));
}

struct Method {
  std::string_view name;
  Value (*call)(const Call& call);
};

constexpr auto kMethods = std::to_array<Method>({
    {"capitalize", changed<capitalized>},
    {"casefold", nullptr},
    {"center", padded},
    {"count", counted},
    {"encode", nullptr},
    {"endswith", has_end},
    {"expandtabs", nullptr},
    {"find", found},
    {"format", filled_in},
    {"format_map", nullptr},
    {"index", found},
    {"isalnum", all_of_class<Class::alphanumeric>},
    {"isalpha", all_of_class<Class::alpha>},
    {"isascii", nullptr},
    {"isdecimal", all_of_class<Class::digit>},
    {"isdigit", all_of_class<Class::digit>},
    {"isidentifier", nullptr},
    {"islower", all_of_class<Class::lower>},
    {"isnumeric", all_of_class<Class::digit>},
    {"isprintable", nullptr},
    {"isspace", all_of_class<Class::space>},
    {"istitle", nullptr},
    {"isupper", all_of_class<Class::upper>},
    {"join", joined},
    {"ljust", padded},
    {"lower", changed<lower>},
    {"lstrip", stripped},
    {"maketrans", nullptr},
    {"partition", partition},
    {"removeprefix", without_end},
    {"removesuffix", without_end},
    {"replace", replaced},
    {"rfind", found},
    {"rindex", found},
    {"rjust", padded},
    {"rpartition", partition},
    {"rsplit", split},
    {"rstrip", stripped},
    {"split", split},
    {"splitlines", lines},
    {"startswith", has_end},
    {"strip", stripped},
    {"swapcase", nullptr},
    {"title", changed<titled>},
    {"translate", nullptr},
    {"upper", changed<upper>},
    {"zfill", padded},
});

const Method* find_method(std::string_view name) {
  const auto* const found_method = std::find_if(
      kMethods.begin(), kMethods.end(), [&](const Method& method) { return method.name == name; });
  return found_method == kMethods.end() ? nullptr : found_method;
}

}  // namespace

bool is_text_method(std::string_view name) {
  return find_method(name) != nullptr;
}

Value call_text_method(Account& account, const std::string& text, std::string_view name,
                       const Arguments& arguments) {
  const Method* method = find_method(name);
  OCTET_CHECK(method != nullptr);
  if (method->call == nullptr) account.fail("str.{}() is not supported", name);
  return method->call({account, text, method->name, arguments});
}

}  // namespace octet::chat

// Python's operators on the values of a chat template.
#include "chat/operators.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "chat/characters.h"

namespace octet::chat {
namespace {

[[noreturn]] void no_operation(const Account& account, std::string_view mark, const Value& left,
                               const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (value->is_undefined()) account.fail("{}", value->absence());
  }
  account.fail("'{}' has no meaning for a {} and a {}", mark, left.type_name(), right.type_name());
}

int64_t floor_quotient(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::optional<int64_t> integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (bool overflow = false; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) overflow = __builtin_mul_overflow(result, base, &result);
    if (!overflow && exponent > 1) overflow = __builtin_mul_overflow(base, base, &base);
    if (overflow) return std::nullopt;
  }
  return result;
}

/// Of two whole numbers, where the result is one.
Value whole_arithmetic(const Account& account, std::string_view mark, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (mark == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (mark == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (mark == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (mark == "**") {
    const auto power = integer_power(a, b);
    overflow = !power;
    result = power.value_or(0);
  } else {
    if (b == 0) account.fail("division by zero");
    if (b == -1) {
      overflow = mark == "//" && __builtin_sub_overflow(int64_t{0}, a, &result);
    } else {
      const int64_t quotient = floor_quotient(a, b);
      result = mark == "//" ? quotient : a - quotient * b;
    }
  }
  if (overflow) account.fail("{} {} {} is too large a number", a, mark, b);
  return Value::integer(result);
}

Value real_arithmetic(const Account& account, std::string_view mark, double a, double b) {
  if (mark == "+") return Value::real(a + b);
  if (mark == "-") return Value::real(a - b);
  if (mark == "*") return Value::real(a * b);
  if (mark == "**") {
    const double power = std::pow(a, b);
    if (!std::isfinite(power) && std::isfinite(a) && std::isfinite(b))
      account.fail("{} ** {} is no number here", real_text(a), real_text(b));
    return Value::real(power);
  }
  if (b == 0) account.fail("division by zero");
  if (mark == "/") return Value::real(a / b);
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  if (rest == 0) rest = std::copysign(0.0, b);
  if (mark == "%") return Value::real(rest);
  return Value::real(std::round((a - rest) / b));
}

Value joined(Account& account, const Sequence& left, const Sequence& right) {
  account.elements(left.elements.size() + right.elements.size());
  std::vector<Value> elements = left.elements;
  elements.insert(elements.end(), right.elements.begin(), right.elements.end());
  return make_sequence(account, std::move(elements), left.kind);
}

Value joined_markup(Account& account, const Value& left, const Value& right) {
  account.bytes(5 * (left.if_text()->size() + right.if_text()->size()));
  const auto safe = [](const Value& value) {
    return value.is_markup() ? *value.if_text() : html_escaped(*value.if_text());
  };
  return Value::markup(safe(left) + safe(right));
}

bool is_list_or_tuple(const Sequence* sequence) {
  return sequence != nullptr && sequence->kind <= Sequence::Kind::tuple;
}

Value sum_of_containers(Account& account, const Value& left, const Value& right) {
  if (left.if_text() != nullptr && right.if_text() != nullptr) {
    account.bytes(left.if_text()->size() + right.if_text()->size());
    if (left.is_markup() || right.is_markup()) return joined_markup(account, left, right);
    return Value::text(*left.if_text() + *right.if_text());
  }
  const Sequence* first = left.if_sequence();
  const Sequence* second = right.if_sequence();
  if (is_list_or_tuple(first) && is_list_or_tuple(second) && first->kind == second->kind) {
    return joined(account, *first, *second);
  }
  no_operation(account, "+", left, right);
}

}  // namespace

Value arithmetic(Account& account, std::string_view mark, const Value& left, const Value& right) {
  const auto a = left.as_integer();
  const auto b = right.as_integer();
  if (a && b && mark != "/" && !(mark == "**" && *b < 0)) {
    return whole_arithmetic(account, mark, *a, *b);
  }
  if (left.as_number() && right.as_number()) {
    return real_arithmetic(account, mark, *left.as_number(), *right.as_number());
  }
  if (mark == "+") return sum_of_containers(account, left, right);
  if (mark == "*" && (a || b)) {
    const Value& container = a ? right : left;
    if (container.if_text() != nullptr || is_list_or_tuple(container.if_sequence())) {
      return repeated(account, container, a ? *a : *b);
    }
  }
  if (mark == "%" && left.if_text() != nullptr) {
    if (left.is_markup()) account.fail("'%' with a text marked safe is not supported");
    return Value::text(formatted(account, *left.if_text(), right));
  }
  no_operation(account, mark, left, right);
}

Value with_sign(Account& account, bool minus, const Value& value) {
  const Value zero = Value::integer(0);
  if (const double* real = value.if_real()) return Value::real(minus ? -*real : *real);
  if (value.as_integer()) return arithmetic(account, minus ? "-" : "+", zero, value);
  if (value.is_undefined()) account.fail("{}", value.absence());
  account.fail("a {} has no sign", value.type_name());
}

Value repeated(Account& account, const Value& value, int64_t times) {
  const auto count = static_cast<size_t>(std::max<int64_t>(0, times));
  const auto charged = [&](size_t size) {
    size_t total = 0;
    return __builtin_mul_overflow(size, count, &total) ? SIZE_MAX : total;
  };
  if (const std::string* text = value.if_text()) {
    account.bytes(charged(text->size()));
    std::string out;
    if (text->empty()) return value;
    for (size_t i = 0; i < count; ++i) out += *text;
    return Value::text(std::move(out));
  }
  const Sequence& sequence = *value.if_sequence();
  account.elements(charged(sequence.elements.size()));
  std::vector<Value> elements;
  for (size_t i = 0; i < count && !sequence.elements.empty(); ++i)
    elements.insert(elements.end(), sequence.elements.begin(), sequence.elements.end());
  return make_sequence(account, std::move(elements), sequence.kind);
}

bool contains(Account& account, const Value& container, const Value& element) {
  if (const std::string* text = container.if_text()) {
    if (element.if_text() == nullptr) no_operation(account, "in", element, container);
    return find_text(account, *text, *element.if_text()) != std::string::npos;
  }
  if (const Dict* dict = container.if_dict()) {
    if (!is_hashable(element)) account.fail("a {} cannot be a key", element.type_name());
    return dict->find(account, element) != nullptr;
  }
  if (const Sequence* sequence = container.if_sequence();
      sequence != nullptr && sequence->kind == Sequence::Kind::generator) {
    while (sequence->taken < sequence->elements.size()) {
      if (equal(account, sequence->elements[sequence->taken++], element)) return true;
    }
    return false;
  }
  const std::vector<Value> elements = elements_of(account, container);
  return std::any_of(elements.begin(), elements.end(),
                     [&](const Value& each) { return equal(account, each, element); });
}

Value sliced(Account& account, const Value& container, const Slice& slice) {
  const Sequence* sequence = container.if_sequence();
  const std::string* text = container.if_text();
  if (text == nullptr && (sequence == nullptr || sequence->kind > Sequence::Kind::range)) {
    if (container.is_undefined()) account.fail("{}", container.absence());
    account.fail("a {} cannot be sliced", container.type_name());
  }
  if (slice.step == 0) account.fail("the step of a slice cannot be 0");
  if (text != nullptr) account.elements(text->size());
  std::vector<std::string_view> parts;
  if (text != nullptr) parts = characters(*text);
  const auto size =
      static_cast<int64_t>(text != nullptr ? parts.size() : sequence->elements.size());
  const bool back = slice.step < 0;
  const auto bound = [&](std::optional<int64_t> given, int64_t otherwise) {
    if (!given) return otherwise;
    const int64_t from_start = *given < 0 ? *given + size : *given;
    return std::clamp<int64_t>(from_start, back ? -1 : 0, back ? size - 1 : size);
  };
  const int64_t start = bound(slice.start, back ? size - 1 : 0);
  const int64_t stop = bound(slice.stop, back ? -1 : size);
  std::string taken_text;
  std::vector<Value> taken;
  // A step beyond the size takes one element; it is cut so that the index cannot overflow.
  const int64_t step = std::clamp(slice.step, -size - 1, size + 1);
  for (int64_t i = start; back ? i > stop : i < stop; i += step) {
    const auto index = static_cast<size_t>(i);
    if (text != nullptr) {
      taken_text += parts[index];
    } else {
      taken.push_back(sequence->elements[index]);
    }
  }
  if (container.is_markup()) return Value::markup(std::move(taken_text));
  if (text != nullptr) return Value::text(std::move(taken_text));
  return make_sequence(account, std::move(taken), sequence->kind);
}

std::string formatted(Account& account, std::string_view format, const Value& values) {
  const Sequence* tuple = values.if_sequence();
  std::vector<Value> arguments = {values};
  if (tuple != nullptr && tuple->kind == Sequence::Kind::tuple) arguments = tuple->elements;
  size_t used = 0;
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    const char kind = ++i < format.size() ? format[i] : ' ';
    if (kind == '%') {
      out += '%';
      continue;
    }
    if (used == arguments.size()) account.fail("'%' has too few values to put into the text");
    const Value& value = arguments[used++];
    if (kind == 's') {
      out += printed(account, value);
    } else if (kind == 'r') {
      out += represented(account, value);
    } else if ((kind == 'd' || kind == 'i') && value.as_integer()) {
      out += std::to_string(*value.as_integer());
    } else {
      account.fail("'%{}' of a {} is not supported", kind, value.type_name());
    }
  }
  // What could be a mapping (Python asks for an index) need not be used.
  const bool indexed = values.if_dict() != nullptr || values.is_undefined() ||
                       (tuple != nullptr && (tuple->kind == Sequence::Kind::list ||
                                             tuple->kind == Sequence::Kind::range));
  if (used < arguments.size() && !indexed) account.fail("'%' has more values than places for them");
  return out;
}

size_t find_text(Account& account, std::string_view text, std::string_view what, size_t from) {
  account.bytes(text.size() - from + what.size());
  if (what.empty()) return from;
  // memmem takes linear time for every pattern; std::string::find does not.
  const void* found = ::memmem(text.data() + from, text.size() - from, what.data(), what.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace octet::chat

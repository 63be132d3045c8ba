// How values are printed: Python's str() and repr().
#include "chat/characters.h"
#include "chat/value.h"

namespace octet::chat {
namespace {

void append_repr(Account& account, const Value& value, std::string& out);

void append_elements(Account& account, const Sequence& sequence, std::string& out) {
  const bool tuple = sequence.kind == Sequence::Kind::tuple;
  out += tuple ? '(' : '[';
  for (size_t i = 0; i < sequence.elements.size(); ++i) {
    if (i > 0) out += ", ";
    append_repr(account, sequence.elements[i], out);
  }
  if (tuple && sequence.elements.size() == 1) out += ',';
  out += tuple ? ')' : ']';
}

void append_pairs(Account& account, const Dict& dict, std::string& out) {
  out += '{';
  for (size_t i = 0; i < dict.pairs.size(); ++i) {
    if (i > 0) out += ", ";
    append_repr(account, dict.pairs[i].first, out);
    out += ": ";
    append_repr(account, dict.pairs[i].second, out);
  }
  out += '}';
}

void append_repr(Account& account, const Value& value, std::string& out) {
  account.step();
  const Sequence* sequence = value.if_sequence();
  if (value.is_undefined()) {
    out += "Undefined";
  } else if (value.is_none()) {
    out += "None";
  } else if (const bool* boolean = value.if_boolean()) {
    out += *boolean ? "True" : "False";
  } else if (const int64_t* integer = value.if_integer()) {
    out += std::to_string(*integer);
  } else if (const double* real = value.if_real()) {
    out += real_text(*real);
  } else if (const std::string* text = value.if_text()) {
    account.bytes(2 * text->size());
    out += quoted(*text);
  } else if (sequence != nullptr && sequence->kind <= Sequence::Kind::tuple) {
    append_elements(account, *sequence, out);
  } else if (const Dict* dict = value.if_dict()) {
    append_pairs(account, *dict, out);
  } else {
    account.fail("printing a {} is not supported", value.type_name());
  }
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    static constexpr std::string_view kMarks = "&<>'\"";
    static constexpr const char* kNames[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    const size_t known = kMarks.find(c);
    if (known == std::string_view::npos) {
      out += c;
    } else {
      out += kNames[known];
    }
  }
  return out;
}

std::string printed(Account& account, const Value& value) {
  if (value.is_undefined()) return "";
  if (const std::string* text = value.if_text()) {
    account.bytes(text->size());
    return *text;
  }
  return represented(account, value);
}

std::string represented(Account& account, const Value& value) {
  std::string out;
  append_repr(account, value, out);
  return out;
}

}  // namespace octet::chat

// JSON as Python's json.dumps writes it: the filter `tojson`.
#include <algorithm>

#include "chat/characters.h"
#include "chat/filters.h"
#include "tokenizer/utf8.h"

namespace octet::chat {
namespace {

class JsonWriter {
 public:
  JsonWriter(Account& account, const JsonStyle& style) : account_(account), style_(style) {}

  void write(const Value& value) {
    account_.step();
    const Sequence* sequence = value.if_sequence();
    if (const std::string* text = value.if_text()) {
      write_text(*text);
    } else if (const Dict* dict = value.if_dict()) {
      write_dict(*dict);
    } else if (sequence != nullptr && sequence->kind <= Sequence::Kind::tuple) {
      write_list(*sequence);
    } else if (value.is_none() || value.as_number()) {
      append(scalar(value));
    } else {
      if (value.is_undefined()) account_.fail("{}; it has no JSON", value.absence());
      account_.fail("a {} has no JSON", value.type_name());
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void append(std::string_view text) {
    account_.bytes(text.size());
    out_ += text;
  }

  static std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (const bool* boolean = value.if_boolean()) return *boolean ? "true" : "false";
    if (const int64_t* integer = value.if_integer()) return std::to_string(*integer);
    const std::string text = real_text(*value.if_real());
    if (text == "nan") return "NaN";
    return text == "inf" ? "Infinity" : text == "-inf" ? "-Infinity" : text;
  }

  void write_text(std::string_view text) {
    account_.bytes(text.size());
    out_ += '"';
    for (std::string_view rest = text; !rest.empty();) {
      const size_t length = tokenizer::utf8_unit(rest).length;
      write_character(rest.substr(0, length));
      rest.remove_prefix(length);
    }
    out_ += '"';
  }

  void write_character(std::string_view character) {
    static constexpr std::string_view kEscaped = "\"\\\n\r\t\f\b";
    static constexpr std::string_view kLetters = "\"\\nrtfb";
    const size_t known = kEscaped.find(character);
    const auto point =
        static_cast<uint32_t>(tokenizer::decode_character(character, character.size()));
    if (known != std::string_view::npos) {
      out_ += '\\';
      out_ += kLetters[known];
    } else if (point >= 0x10000 && style_.ascii) {
      const uint32_t above = point - 0x10000;
      out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF));
    } else if (point < 0x20 || (point > 0x7E && style_.ascii)) {
      out_ += fmt::format("\\u{:04x}", point);
    } else {
      out_ += character;
    }
  }

  void write_list(const Sequence& list) {
    if (list.elements.empty()) return append("[]");
    append("[");
    ++level_;
    for (size_t i = 0; i < list.elements.size(); ++i) {
      begin_element(i == 0);
      write(list.elements[i]);
    }
    end_elements();
    append("]");
  }

  void write_dict(const Dict& dict) {
    if (dict.pairs.empty()) return append("{}");
    account_.elements(dict.pairs.size());
    std::vector<const Pair*> pairs;
    for (const Pair& pair : dict.pairs) pairs.push_back(&pair);
    if (style_.sort_keys) {
      std::stable_sort(pairs.begin(), pairs.end(), [this](const Pair* left, const Pair* right) {
        return less(account_, left->first, right->first);
      });
    }
    append("{");
    ++level_;
    for (size_t i = 0; i < pairs.size(); ++i) {
      begin_element(i == 0);
      write_key(pairs[i]->first);
      append(style_.after_key);
      write(pairs[i]->second);
    }
    end_elements();
    append("}");
  }

  void write_key(const Value& key) {
    if (const std::string* text = key.if_text()) return write_text(*text);
    if (!key.is_none() && !key.as_number()) {
      account_.fail("a {} cannot be a key in JSON", key.type_name());
    }
    append("\"" + scalar(key) + "\"");
  }

  void begin_element(bool first) {
    if (!first) append(style_.after_element);
    if (style_.lines) new_line();
  }

  void end_elements() {
    --level_;
    if (style_.lines) new_line();
  }

  void new_line() {
    append("\n");
    for (int i = 0; i < level_; ++i) append(style_.indent);
  }

  Account& account_;
  const JsonStyle& style_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

std::string json_text(Account& account, const Value& value, const JsonStyle& style) {
  JsonWriter writer(account, style);
  writer.write(value);
  return writer.take();
}

}  // namespace octet::chat

// The components a tokenizer.json names: normalizer, pre_tokenizer and post_processor.
#include "tokenizer/json_components.h"

namespace octet::tokenizer {
namespace {

bool flag(const JsonNode& node, const char* key, bool otherwise) {
  const auto member = node.find(key);
  return member ? member->boolean() : otherwise;
}

[[noreturn]] void unsupported(const JsonNode& node, std::string_view type) {
  node.fail("is of the type \"{}\", which is not supported", type);
}

// Calls compiling code and puts the place in front of what it complains about.
template <typename Make>
auto at_place(const JsonNode& node, Make&& make) {
  try {
    return make();
  } catch (const Error& error) {
    node.fail("cannot be used: {}", error.what());
  }
}

std::string decode_base64(const JsonNode& node) {
  const std::string& text = node.string();
  const auto value_of = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
  };
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    const int value = value_of(c);
    if (value < 0) node.fail("is not Base64");
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xFF));
    }
  }
  return out;
}

void append_normalizer(const JsonNode& node, std::vector<NormalizerStep>& steps) {
  const std::string& type = node["type"].string();
  if (type == "Sequence") {
    for (const JsonNode& part : node["normalizers"].elements()) append_normalizer(part, steps);
  } else if (type == "NFC") {
    steps.emplace_back(UnicodeForm::kNfc);
  } else if (type == "NFD") {
    steps.emplace_back(UnicodeForm::kNfd);
  } else if (type == "NFKC") {
    steps.emplace_back(UnicodeForm::kNfkc);
  } else if (type == "NFKD") {
    steps.emplace_back(UnicodeForm::kNfkd);
  } else if (type == "Lowercase") {
    steps.emplace_back(Lowercase{});
  } else if (type == "Prepend") {
    steps.emplace_back(Prepend{node["prepend"].string()});
  } else if (type == "Strip") {
    steps.emplace_back(StripSpace{flag(node, "strip_left", true), flag(node, "strip_right", true)});
  } else if (type == "Replace") {
    const std::string& content = node["content"].string();
    const JsonNode pattern = node["pattern"];
    steps.emplace_back(at_place(pattern, [&] {
      if (const auto text = pattern.find("String"))
        return Replacer::of_text(text->string(), content);
      return Replacer::of_pattern(pattern["Regex"].string(), content);
    }));
  } else if (type == "Precompiled") {
    const auto map = node.find("precompiled_charsmap");
    if (!map || map->string().empty()) return;
    steps.emplace_back(at_place(*map, [&] { return Charsmap(decode_base64(*map)); }));
  } else {
    unsupported(node, type);
  }
}

SplitBehavior read_behavior(const JsonNode& node) {
  const std::string& name = node.string();
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  unsupported(node, name);
}

Metaspace read_metaspace(const JsonNode& node) {
  Metaspace step{"▁", Metaspace::Prepend::kAlways, flag(node, "split", true)};
  if (const auto text = node.find("replacement")) step.replacement = text->string();
  if (step.replacement.empty()) node.fail("replaces by nothing");
  if (const auto scheme = node.find("prepend_scheme")) {
    const std::string& name = scheme->string();
    if (name == "first") {
      step.prepend = Metaspace::Prepend::kFirst;
    } else if (name == "never") {
      step.prepend = Metaspace::Prepend::kNever;
    } else if (name != "always") {
      unsupported(*scheme, name);
    }
  } else if (!flag(node, "add_prefix_space", true)) {
    step.prepend = Metaspace::Prepend::kNever;
  }
  return step;
}

class PreTokenizerReader {
 public:
  void append(const JsonNode& node) {
    if (byte_level_) node.fail("comes after ByteLevel, which is not supported");
    const std::string& type = node["type"].string();
    using enum SplitBehavior;
    if (type == "Sequence") {
      for (const JsonNode& part : node["pretokenizers"].elements()) append(part);
    } else if (type == "ByteLevel") {
      if (flag(node, "add_prefix_space", true)) steps_.emplace_back(PrefixSpace{});
      if (flag(node, "use_regex", true)) split(node, kGpt2Pattern, kIsolated);
      byte_level_ = true;
    } else if (type == "Split") {
      split(node, read_pattern(node["pattern"]), read_behavior(node["behavior"]),
            flag(node, "invert", false));
    } else if (type == "Digits") {
      split(node, R"(\p{N})", flag(node, "individual_digits", false) ? kIsolated : kContiguous);
    } else if (type == "Punctuation") {
      const auto behavior = node.find("behavior");
      split(node, R"([\p{P}$+<=>^`|~])", behavior ? read_behavior(*behavior) : kIsolated);
    } else if (type == "Whitespace") {
      split(node, R"(\w+|[^\w\s]+)", kRemoved, true);
    } else if (type == "WhitespaceSplit") {
      split(node, R"(\s)", kRemoved);
    } else if (type == "Metaspace") {
      steps_.emplace_back(read_metaspace(node));
    } else {
      unsupported(node, type);
    }
  }

  JsonPreTokenizer finish() && { return {PreTokenizer(std::move(steps_)), byte_level_}; }

 private:
  void split(const JsonNode& node, std::string_view pattern, SplitBehavior behavior,
             bool invert = false) {
    steps_.emplace_back(at_place(node, [&] {
      return SplitAtPattern{Regex(pattern), behavior, invert};
    }));
  }

  std::vector<PreTokenizerStep> steps_;
  bool byte_level_ = false;
};

void append_ids(const JsonNode& ids, std::vector<TokenId>& out) {
  for (const JsonNode& id : ids.elements()) {
    out.push_back(static_cast<TokenId>(id.integer(0, kMaximumTokenId)));
  }
}

// {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {…}}
JsonTemplate read_template(const JsonNode& node) {
  JsonTemplate result;
  bool after_text = false;
  for (const JsonNode& item : node["single"].elements()) {
    if (item.find("Sequence")) {
      if (after_text) item.fail("repeats the text, which is not supported");
      after_text = true;
      continue;
    }
    const std::string& name = item["SpecialToken"]["id"].string();
    const JsonNode token = node["special_tokens"][name.c_str()];
    append_ids(token["ids"], after_text ? result.suffix : result.prefix);
  }
  if (!after_text) node["single"].fail("leaves out the text");
  return result;
}

// {"cls": ["<s>", 0], "sep": ["</s>", 2]}
JsonTemplate read_bert(const JsonNode& node) {
  const auto id_of = [&](const char* key) {
    const auto pair = node[key].elements();
    if (pair.size() != 2) node[key].fail("must be a token and its id");
    return static_cast<TokenId>(pair[1].integer(0, kMaximumTokenId));
  };
  return {{id_of("cls")}, {id_of("sep")}};
}

}  // namespace

std::string read_pattern(const JsonNode& node) {
  if (const auto text = node.find("String")) return Regex::literal(text->string());
  return node["Regex"].string();
}

Normalizer read_normalizer(const JsonNode& node) {
  std::vector<NormalizerStep> steps;
  append_normalizer(node, steps);
  return Normalizer(std::move(steps));
}

JsonPreTokenizer read_pre_tokenizer(const JsonNode& node) {
  PreTokenizerReader reader;
  reader.append(node);
  return std::move(reader).finish();
}

JsonTemplate read_post_processor(const JsonNode& node) {
  const std::string& type = node["type"].string();
  if (type == "TemplateProcessing") return read_template(node);
  if (type == "BertProcessing" || type == "RobertaProcessing") return read_bert(node);
  if (type == "ByteLevel") return {};  // only moves offsets
  if (type != "Sequence") unsupported(node, type);
  JsonTemplate result;
  for (const JsonNode& part : node["processors"].elements()) {
    const JsonTemplate outer = read_post_processor(part);
    result.prefix.insert(result.prefix.begin(), outer.prefix.begin(), outer.prefix.end());
    result.suffix.insert(result.suffix.end(), outer.suffix.begin(), outer.suffix.end());
  }
  return result;
}

}  // namespace octet::tokenizer

// The decoder a tokenizer.json names.
#include "tokenizer/json_components.h"

namespace octet::tokenizer {
namespace {

constexpr int kMostStripped = 1 << 20;

class DecoderReader {
 public:
  void append(const JsonNode& node) {
    const std::string& type = node["type"].string();
    if (type == "Sequence") {
      for (const JsonNode& part : node["decoders"].elements()) append(part);
    } else if (type == "Fuse") {
      fused_ = true;
    } else if (fused_ && type != "Strip") {
      node.fail("is \"{}\" after the tokens are joined, which is not supported", type);
    } else if (type == "ByteLevel") {
      steps_.emplace_back(SpelledBytes{});
      byte_level_ = fused_ = true;
    } else if (type == "ByteFallback") {
      steps_.emplace_back(ByteFallback{});
      replacement_ = Replacement::kPerByte;
    } else if (type == "Metaspace") {
      append_metaspace(node);
    } else if (type == "Replace") {
      append_replace(node);
    } else if (type == "Strip") {
      append_strip(node);
    } else {
      node.fail("is of the type \"{}\", which is not supported", type);
    }
  }

  JsonDecoder finish() && {
    return {Decoder(std::move(steps_), replacement_, std::move(strip_)), byte_level_};
  }

 private:
  void append_metaspace(const JsonNode& node) {
    MetaspaceToSpace step{"▁", true};
    if (const auto text = node.find("replacement")) step.replacement = text->string();
    if (step.replacement.empty()) node.fail("replaces nothing");
    if (const auto scheme = node.find("prepend_scheme")) {
      step.prepended = scheme->string() != "never";
    } else if (const auto prefix = node.find("add_prefix_space")) {
      step.prepended = prefix->boolean();
    }
    steps_.emplace_back(std::move(step));
  }

  void append_replace(const JsonNode& node) {
    const std::string& content = node["content"].string();
    const JsonNode pattern = node["pattern"];
    try {
      if (const auto text = pattern.find("String")) {
        steps_.emplace_back(Replacer::of_text(text->string(), content));
      } else {
        steps_.emplace_back(Replacer::of_pattern(pattern["Regex"].string(), content));
      }
    } catch (const Error& error) {
      pattern.fail("cannot be used: {}", error.what());
    }
  }

  void append_strip(const JsonNode& node) {
    const std::string& content = node["content"].string();
    const auto start = static_cast<int>(node["start"].integer(0, kMostStripped));
    const auto stop = static_cast<int>(node["stop"].integer(0, kMostStripped));
    if (content.empty()) node.fail("strips nothing");
    if (!fused_) {
      steps_.emplace_back(StripToken{content, start, stop});
    } else if (stop > 0 || strip_.count > 0) {
      node.fail("strips the end of a text or strips twice, which is not supported");
    } else {
      strip_ = {content, start};
    }
  }

  std::vector<DecoderStep> steps_;
  Replacement replacement_ = Replacement::kPerSubpart;
  StripText strip_;
  bool fused_ = false;
  bool byte_level_ = false;
};

}  // namespace

JsonDecoder read_decoder(const JsonNode& node) {
  DecoderReader reader;
  reader.append(node);
  return std::move(reader).finish();
}

}  // namespace octet::tokenizer

// Small tokenisers for tests, made on the spot.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer::test {

/// A byte-level BPE: ids 0 … 255 are the bytes, then one token for each merge "left right"; the
/// special token "<|end|>" comes last.
inline nlohmann::json byte_level_json(std::initializer_list<const char*> merges) {
  nlohmann::json vocab = nlohmann::json::object();
  for (int byte = 0; byte < 256; ++byte) {
    vocab[std::string(spell_byte(static_cast<uint8_t>(byte)))] = byte;
  }
  int next = 256;
  for (const std::string merge : merges) {
    const size_t space = merge.find(' ');
    vocab[merge.substr(0, space) + merge.substr(space + 1)] = next++;
  }
  const nlohmann::json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  return {{"added_tokens", {{{"id", next}, {"content", "<|end|>"}, {"special", true}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
}

/// A BPE over characters with byte fallback, as LLaMA's: <unk>, <s>, </s>, 256 bytes, then `tokens`
/// and the tokens of the merges.
inline nlohmann::json llama_json(std::initializer_list<const char*> tokens,
                                 std::initializer_list<const char*> merges) {
  nlohmann::json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  int next = 3;
  for (int byte = 0; byte < 256; ++byte)
    vocab[fallback_spelling(static_cast<uint8_t>(byte))] = next++;
  for (const char* token : tokens) vocab[token] = next++;
  for (const std::string merge : merges) {
    const size_t space = merge.find(' ');
    vocab[merge.substr(0, space) + merge.substr(space + 1)] = next++;
  }
  const auto special = [](int id, const char* text) {
    return nlohmann::json{{"id", id}, {"content", text}, {"special", true}};
  };
  const auto replace = [](const char* text, const char* content) {
    return nlohmann::json{
        {"type", "Replace"}, {"pattern", {{"String", text}}}, {"content", content}};
  };
  const nlohmann::json normalizer = {
      {"type", "Sequence"},
      {"normalizers",
       nlohmann::json::array({{{"type", "Prepend"}, {"prepend", "▁"}}, replace(" ", "▁")})}};
  const nlohmann::json post_processor = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
      {"special_tokens", {{"<s>", {{"ids", {1}}}}}}};
  const nlohmann::json decoder = {
      {"type", "Sequence"},
      {"decoders",
       nlohmann::json::array({replace("▁", " "),
                              {{"type", "ByteFallback"}},
                              {{"type", "Fuse"}},
                              {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}};
  return {{"added_tokens", {special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")}},
          {"normalizer", normalizer},
          {"post_processor", post_processor},
          {"decoder", decoder},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"vocab", vocab},
            {"merges", merges}}}};
}

inline std::unique_ptr<Tokenizer> make(const nlohmann::json& json,
                                       const DirectoryConfig& config = {}) {
  return parse_tokenizer_json(json.dump(), "tokenizer.json", config);
}

/// Random text of up to `longest` characters from all lengths of UTF-8, spaces and line ends.
inline std::string random_text(std::mt19937& random, int longest) {
  const auto below = [&](uint32_t limit) { return static_cast<uint32_t>(random() % limit); };
  std::string text;
  for (uint32_t n = below(static_cast<uint32_t>(longest) + 1); n > 0; --n) {
    switch (below(6)) {
      case 0:
        text += " \n\t\r"[below(4)];
        break;
      case 1:
      case 2:
        append_utf8(text, 'a' + below(26));
        break;
      case 3:
        append_utf8(text, 0x80 + below(0x780));
        break;
      case 4:
        append_utf8(text, 0x3000 + below(0x1000));
        break;
      default:
        append_utf8(text, 0x1F300 + below(0x400));
    }
  }
  return text;
}

inline std::string random_bytes(std::mt19937& random, int longest) {
  std::string bytes(random() % (static_cast<uint32_t>(longest) + 1), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

}  // namespace octet::tokenizer::test

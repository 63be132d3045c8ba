// tokenizer.json: its components, and files that are cut, mistyped or hostile.
#include "tokenizer/tokenizer_json.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "tokenizer/test_tokenizers.h"

namespace octet::tokenizer {
namespace {

using test::byte_level_json;
using test::llama_json;
using test::make;

nlohmann::json unigram_json() {
  return nlohmann::json::parse(R"({
    "added_tokens": [{"id": 1, "content": "</s>", "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Strip"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁"}]},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}],
      "special_tokens": {"</s>": {"ids": [1]}}},
    "decoder": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true},
    "model": {"unk_id": 2, "vocab": [["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁", -2],
      ["a", -3], ["b", -3.5], ["▁a", -3], ["ab", -5], ["▁ab", -9]]}})");
}

std::string error_of(const nlohmann::json& json) {
  try {
    make(json);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TokenizerJson, UnigramTakesTheBestSumAndFusesUnknownCharacters) {
  const auto tokenizer = make(unigram_json());
  EXPECT_EQ(tokenizer->encode("ab"), (std::vector<TokenId>{6, 5, 1}));  // -6.5 beats -7, -9
  EXPECT_EQ(tokenizer->encode(" a  ba "), (std::vector<TokenId>{6, 3, 5, 4, 1}));
  EXPECT_EQ(tokenizer->encode("aéèb"), (std::vector<TokenId>{6, 2, 5, 1}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a ba")), "a ba");
  EXPECT_EQ(tokenizer->eos(), 1);
}

// Every cut of a random text into tokens, tried one by one.
double best_sum(std::string_view text, const std::vector<std::pair<std::string, double>>& tokens) {
  if (text.empty()) return 0;
  double best = -1e9;
  for (const auto& [token, score] : tokens) {
    if (text.starts_with(token)) {
      best = std::max(best, score + best_sum(text.substr(token.size()), tokens));
    }
  }
  return best;
}

TEST(TokenizerJson, UnigramFindsTheBestOfAllCuts) {
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    std::vector<std::pair<std::string, double>> tokens = {{"a", -9}, {"b", -9}};
    for (int i = 0; i < 12; ++i) {
      std::string token;
      for (uint32_t n = 2 + random() % 3; n > 0; --n) token.push_back("ab"[random() % 2]);
      tokens.push_back({token, -static_cast<double>(random() % 64)});
    }
    nlohmann::json json = {{"model", {{"type", "Unigram"}, {"unk_id", 0}}},
                           {"decoder", {{"type", "Fuse"}}}};
    json["model"]["vocab"] = nlohmann::json::array({nlohmann::json::array({"<unk>", 0})});
    std::vector<double> scores = {0};
    std::vector<std::pair<std::string, double>> distinct;
    for (const auto& token : tokens) {
      const auto same = [&](const auto& other) { return other.first == token.first; };
      if (std::any_of(distinct.begin(), distinct.end(), same)) continue;
      distinct.push_back(token);
      json["model"]["vocab"].push_back(nlohmann::json::array({token.first, token.second}));
      scores.push_back(token.second);
    }
    std::string text;
    for (int i = 0; i < 9; ++i) text.push_back("ab"[random() % 2]);
    double sum = 0;
    for (const TokenId id : make(json)->encode(text)) sum += scores[static_cast<size_t>(id)];
    EXPECT_EQ(sum, best_sum(text, distinct)) << text;  // whole numbers: exact
  }
}

TEST(TokenizerJson, DigitsSplitAndSequencesCombine) {
  nlohmann::json json = byte_level_json({"1 2", "Ġ 1", "a b"});
  const nlohmann::json byte_level = json["pre_tokenizer"];
  const nlohmann::json digits = {{"type", "Digits"}, {"individual_digits", true}};
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers", nlohmann::json::array({digits, byte_level})}};
  EXPECT_EQ(make(json)->encode("ab 12"), (std::vector<TokenId>{258, ' ', '1', '2'}));
  EXPECT_EQ(make(byte_level_json({"1 2", "Ġ 1", "a b"}))->encode("ab 12"),
            (std::vector<TokenId>{258, ' ', 256}));
}

TEST(TokenizerJson, ByteLevelMayPutASpaceInFront) {
  nlohmann::json json = byte_level_json({"Ġ a"});
  json["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(make(json)->encode("a"), (std::vector<TokenId>{256}));
  EXPECT_EQ(make(json)->encode(" a"), (std::vector<TokenId>{256}));
}

TEST(TokenizerJson, ConfigurationDecidesAboutBosAndEos) {
  const nlohmann::json json = llama_json({"▁", "a"}, {"▁ a"});
  const auto ids = [&](const DirectoryConfig& config) { return make(json, config)->encode("a"); };
  EXPECT_EQ(ids({}), (std::vector<TokenId>{1, 261}));
  EXPECT_EQ(ids({.add_bos = false}), (std::vector<TokenId>{261}));
  EXPECT_EQ(ids({.add_bos = true, .add_eos = true}), (std::vector<TokenId>{1, 261, 2}));
  EXPECT_EQ(ids({.eos_text = "<unk>", .add_eos = true}), (std::vector<TokenId>{1, 261, 0}));
  EXPECT_EQ(make(json)->encode("a", {.add_special = false}), (std::vector<TokenId>{261}));
  EXPECT_EQ(make(json)->bos(), 1);
  EXPECT_EQ(make(json, {.bos_id = 2})->bos(), 2);
  EXPECT_EQ(make(json, {.bos_text = "</s>", .bos_id = 0})->bos(), 2);
}

TEST(TokenizerJson, ReadsTheFilesBesideIt) {
  DirectoryConfig config;
  read_tokenizer_config(R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>",
                            "add_bos_token": true, "add_eos_token": null, "pad_token": "<pad>",
                            "added_tokens_decoder": {"7": {"content": "<x>", "special": true}}})",
                        "tokenizer_config.json", config);
  EXPECT_EQ(config.bos_text, "<s>");
  EXPECT_EQ(config.eos_text, "</s>");
  EXPECT_EQ(config.add_bos, true);
  EXPECT_FALSE(config.add_eos.has_value());
  EXPECT_EQ(config.special_texts, (std::vector<std::string>{"<s>", "</s>", "<pad>"}));
  ASSERT_EQ(config.added.size(), 1u);
  EXPECT_EQ(config.added[0].id, 7);
  read_model_config(R"({"bos_token_id": 3, "eos_token_id": [4, 5]})", "config.json", config);
  EXPECT_EQ(config.bos_id, 3);
  EXPECT_EQ(config.eos_id, 4);
  EXPECT_THROW(
      read_tokenizer_config(R"({"added_tokens_decoder": {"x": {"content": ""}}})", "t", config),
      Error);
}

TEST(TokenizerJson, NamesWhatItDoesNotSupport) {
  nlohmann::json json = llama_json({"a"}, {});
  json["normalizer"] = {{"type", "BertNormalizer"}};
  EXPECT_EQ(error_of(json),
            "tokenizer.json: normalizer is of the type \"BertNormalizer\", which is not supported");
  json = llama_json({"a"}, {});
  json["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
  EXPECT_NE(error_of(json).find("UnicodeScripts"), std::string::npos);
  json = llama_json({"a"}, {});
  json["decoder"]["decoders"][1] = {{"type", "CTC"}};
  EXPECT_NE(error_of(json).find("decoder.decoders.1 is of the type \"CTC\""), std::string::npos);
  json = llama_json({"a"}, {});
  json["model"]["type"] = "WordPiece";
  EXPECT_NE(error_of(json).find("WordPiece"), std::string::npos);
  json = llama_json({"a"}, {});
  json["model"]["end_of_word_suffix"] = "</w>";
  EXPECT_NE(error_of(json).find("</w>"), std::string::npos);
  json = llama_json({"a"}, {});
  json["post_processor"]["type"] = "Odd";
  EXPECT_NE(error_of(json).find("Odd"), std::string::npos);
}

TEST(TokenizerJson, RefusesTokensThatDoNotFitTogether) {
  nlohmann::json json = byte_level_json({"a b"});
  json["model"]["merges"].push_back("a zz");
  EXPECT_EQ(error_of(json),
            "tokenizer.json: model.merges: merge 1 needs the token \"zz\", which the vocabulary "
            "does not have");
  json["model"]["merges"].back() = "ab";
  EXPECT_NE(error_of(json).find("not two tokens"), std::string::npos);
  json = byte_level_json({"a b"});
  json["model"]["vocab"]["huge"] = 4'000'000'000;
  EXPECT_NE(error_of(json).find("\"huge\""), std::string::npos);
  json["model"]["vocab"]["huge"] = -1;
  EXPECT_NE(error_of(json).find("\"huge\""), std::string::npos);
  json = byte_level_json({"a b"});
  json["added_tokens"][0]["id"] = 97;
  EXPECT_NE(error_of(json).find("which is \"a\""), std::string::npos);
  json = llama_json({"a"}, {});
  json["post_processor"]["special_tokens"]["<s>"]["ids"] = {999};
  EXPECT_NE(error_of(json).find("999"), std::string::npos);
}

TEST(TokenizerJson, RefusesDeepNesting) {
  std::string deep = "{\"type\": \"Sequence\", \"normalizers\": [";
  std::string text = "{\"normalizer\": ";
  for (int i = 0; i < 100'000; ++i) text += deep;
  EXPECT_THROW(parse_tokenizer_json(text, "t", {}), Error);
  EXPECT_THROW(parse_tokenizer_json(std::string(1 << 20, '['), "t", {}), Error);
}

TEST(TokenizerJson, RefusesEveryTruncation) {
  const std::string text = unigram_json().dump();
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_THROW(parse_tokenizer_json(text.substr(0, length), "t", {}), Error) << length;
  }
}

// Puts odd values in the place of each value in turn. The result loads or is refused; what loads
// encodes and decodes.
void replace_each(const nlohmann::json& original, const nlohmann::json::json_pointer& at) {
  const nlohmann::json odd = nlohmann::json::parse(
      R"odd([null, true, -1, 0.5, 1e300, 18446744073709551615, 2147483648, "", "x",
          "\u0000", [], {}, [[]], [null], {"type": "Sequence"}, {"Regex": "("},
          {"Regex": "(?=a)"}, {"String": ""}])odd");
  for (const nlohmann::json& value : odd) {
    nlohmann::json changed = original;
    changed[at] = value;
    try {
      const auto tokenizer = make(changed);
      const auto ids = tokenizer->encode("a ba<s>\n é");
      EXPECT_EQ(well_formed_prefix(tokenizer->decode(ids)), tokenizer->decode(ids).size());
    } catch (const Error&) {
    }
  }
  const nlohmann::json& node = original[at];
  if (!node.is_structured()) return;
  size_t visited = 0;
  for (const auto& item : node.items()) {
    if (++visited > 12) break;  // of 256 bytes a dozen are enough
    replace_each(original, at / (node.is_array() ? std::to_string(visited - 1) : item.key()));
  }
}

TEST(TokenizerJson, LoadsOrRefusesMistypedFiles) {
  for (const auto& json :
       {byte_level_json({"a b", "Ġ a"}), llama_json({"▁", "a"}, {"▁ a"}), unigram_json()}) {
    replace_each(json, nlohmann::json::json_pointer());
  }
}

}  // namespace
}  // namespace octet::tokenizer

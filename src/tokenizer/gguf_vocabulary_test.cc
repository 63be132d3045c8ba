// Vocabularies of GGUF files: against SentencePiece, against SmolLM2's reference, and broken ones.
#include "tokenizer/gguf_vocabulary.h"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/gguf.h"
#include "support/shared_data.h"
#include "tokenizer/test_tokenizers.h"

namespace octet::tokenizer {
namespace {

using octet::test::shared_path;
using octet::test::smollm2_path;

std::string error_of(const GgufVocabulary& vocabulary) {
  try {
    make_gguf_tokenizer(vocabulary);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// LLaMA's tokenizer.model as a converter writes it into a GGUF file.
struct Converted {
  sentencepiece::SentencePieceProcessor processor;
  GgufVocabulary vocabulary;

  explicit Converted(const std::filesystem::path& path) {
    EXPECT_TRUE(processor.Load(path.string()).ok());
    vocabulary.file = "model.gguf";
    vocabulary.model = "llama";
    for (int id = 0; id < processor.GetPieceSize(); ++id) {
      vocabulary.tokens.push_back(processor.IdToPiece(id));
      vocabulary.scores.push_back(processor.GetScore(id));
      const int type = processor.IsUnknown(id)   ? 2
                       : processor.IsControl(id) ? 3
                       : processor.IsByte(id)    ? 6
                                                 : 1;
      vocabulary.types.push_back(type);
    }
  }
};

TEST(Gguf, ScoredVocabularyGivesSentencePiecesTokens) {
  const auto path = shared_path("tokenizers/llama2/tokenizer.model");
  OCTET_REQUIRE_PATH(path);
  const Converted converted(path);
  const auto tokenizer = make_gguf_tokenizer(converted.vocabulary);
  const EncodeOptions plain{.add_special = false, .parse_special = false};
  const auto check = [&](const std::string& text) {
    std::vector<int> expected;
    ASSERT_TRUE(converted.processor.Encode(text, &expected).ok());
    EXPECT_EQ(tokenizer->encode(text, plain), expected) << text;
    EXPECT_EQ(tokenizer->decode(expected), text);
  };
  const auto vectors = shared_path("tokenizers/vectors/llama2-sentencepiece.ids.json");
  const nlohmann::json document = nlohmann::json::parse(read_file(vectors));
  for (const auto& item : document["cases"]) {
    const std::string text = item["text"];
    EXPECT_EQ(tokenizer->encode(text, plain), item["ids"].get<std::vector<TokenId>>()) << text;
  }
  std::mt19937 random(8);
  for (int round = 0; round < 500; ++round) check(test::random_text(random, 40));
  EXPECT_EQ(tokenizer->encode("a"), (std::vector<TokenId>{1, 263}));
  EXPECT_EQ(tokenizer->encode("</s>"), (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
}

std::string decode_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;  // padding
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return bytes;
}

/// A tokenizer.json as a converter writes it into a GGUF file.
struct ConvertedJson {
  nlohmann::json json;
  std::deque<std::string> texts;
  GgufVocabulary vocabulary;

  ConvertedJson(const std::filesystem::path& file, const std::string& pre)
      : json(nlohmann::json::parse(read_file(file))) {
    vocabulary.file = "model.gguf";
    vocabulary.model = pre == "t5" ? "t5" : "gpt2";
    vocabulary.pre = pre;
    const nlohmann::json& model = json["model"];
    if (pre == "t5") {
      for (const auto& piece : model["vocab"]) add(piece[0], piece[1]);
      // Padding up to the rows of the embedding.
      for (int i = 0; i < 28; ++i) add("[PAD" + std::to_string(i) + "]", -10000);
      std::fill_n(vocabulary.types.end() - 28, 28, 5);
      const std::string charsmap = json["normalizer"]["precompiled_charsmap"];
      vocabulary.charsmap = decode_base64(charsmap);
      vocabulary.unknown = model["unk_id"].get<int64_t>();
      vocabulary.eos = 1;
    } else {
      std::map<int64_t, std::string> spellings;
      for (const auto& [text, id] : model["vocab"].items()) spellings[id] = text;
      for (const auto& token : json["added_tokens"]) spellings[token["id"]] = token["content"];
      for (const auto& [id, text] : spellings) add(text, 0);
      vocabulary.scores.clear();
      for (const std::string merge : model["merges"]) {
        vocabulary.merges.push_back(texts.emplace_back(merge));
      }
    }
    for (const auto& token : json["added_tokens"]) {
      vocabulary.types[token["id"].get<size_t>()] = token["special"].get<bool>() ? 3 : 4;
    }
  }

  void add(const std::string& text, float score) {
    vocabulary.tokens.push_back(texts.emplace_back(text));
    vocabulary.scores.push_back(score);
    vocabulary.types.push_back(1);
  }
};

class ConvertedTokenizer : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(ConvertedTokenizer, GivesTheTokensOfTheOriginal) {
  const auto [name, pre] = GetParam();
  const auto file = shared_path(std::string("tokenizers/") + name + "/tokenizer.json");
  OCTET_REQUIRE_PATH(file);
  const ConvertedJson converted(file, pre);
  const auto tokenizer = make_gguf_tokenizer(converted.vocabulary);
  const auto original = load_tokenizer(file.parent_path());
  const auto vectors = nlohmann::json::parse(
      read_file(shared_path(std::string("tokenizers/vectors/") + name + ".ids.json")));
  for (const auto& item : vectors["cases"]) {
    const std::string text = item["text"];
    const auto ids = item["ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(tokenizer->encode(text, {.add_special = false}), ids) << text;
    EXPECT_EQ(tokenizer->decode(ids), original->decode(ids)) << text;
  }
  std::mt19937 random(9);
  for (int round = 0; round < 300; ++round) {
    const std::string text = test::random_text(random, 40);
    EXPECT_EQ(tokenizer->encode(text), original->encode(text)) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Gguf, ConvertedTokenizer,
                         testing::Values(std::pair{"gpt-j-6b", "gpt-2"},
                                         std::pair{"gpt-neox-20b", "mpt"},
                                         std::pair{"t5-small", "t5"}),
                         [](const auto& tested) {
                           std::string name = tested.param.second;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Gguf, UnigramVocabularyTakesTheBestScoresAndNoPadding) {
  GgufVocabulary vocabulary;
  vocabulary.file = "small.gguf";
  vocabulary.model = "t5";
  vocabulary.tokens = {"<pad>", "</s>", "<unk>", "▁", "▁a", "b", "ab", "▁ab", "c", "[PAD9]"};
  vocabulary.scores = {0, 0, 0, -3, -2, -2, -5, -6, -2, -10000};
  vocabulary.types = {3, 3, 2, 1, 1, 1, 1, 1, 1, 5};
  vocabulary.eos = 1;
  const auto tokenizer = make_gguf_tokenizer(vocabulary);
  EXPECT_EQ(tokenizer->encode("ab  c"), (std::vector<TokenId>{4, 5, 3, 8, 1}));
  EXPECT_EQ(tokenizer->encode("[PAD9]", {.add_special = false}), (std::vector<TokenId>{3, 2}));
  EXPECT_EQ(tokenizer->encode("a</s>"), (std::vector<TokenId>{4, 1, 1}));
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{4, 5, 3, 8, 1}), "ab c");
  vocabulary.add_eos = false;
  vocabulary.remove_extra_whitespaces = false;
  EXPECT_EQ(make_gguf_tokenizer(vocabulary)->encode("a  c"), (std::vector<TokenId>{4, 3, 3, 8}));
  vocabulary.add_space_prefix = false;
  EXPECT_EQ(make_gguf_tokenizer(vocabulary)->encode("b a"), (std::vector<TokenId>{5, 4}));
  vocabulary.remove_extra_whitespaces = true;
  EXPECT_NE(error_of(vocabulary).find("remove_extra_whitespaces"), std::string::npos);
  vocabulary.add_space_prefix.reset();
  vocabulary.charsmap = "cut";
  EXPECT_NE(error_of(vocabulary), "");
  vocabulary.charsmap.clear();
  vocabulary.types.assign(10, 3);
  EXPECT_NE(error_of(vocabulary).find("no usual tokens"), std::string::npos);
}

TEST(Gguf, SmolLM2TokenisesItsReferencePrompts) {
  const auto reference_path = shared_path("models/smollm2-135m.reference.json");
  OCTET_REQUIRE_PATH(reference_path);
  OCTET_REQUIRE_PATH(smollm2_path());
  const MappedFile file(smollm2_path());
  const checkpoint::Gguf gguf = checkpoint::parse_gguf(file.bytes(), file.path().string());
  GgufVocabulary vocabulary;
  vocabulary.file = file.path().string();
  vocabulary.model = gguf.metadata.string("tokenizer.ggml.model").value();
  vocabulary.pre = gguf.metadata.string("tokenizer.ggml.pre").value();
  vocabulary.tokens = gguf.metadata.strings("tokenizer.ggml.tokens").value();
  vocabulary.merges = gguf.metadata.strings("tokenizer.ggml.merges").value();
  const auto types = gguf.metadata.integers("tokenizer.ggml.token_type");
  ASSERT_TRUE(types.has_value());
  for (const int64_t type : *types) {
    vocabulary.types.push_back(static_cast<int32_t>(type));
  }
  vocabulary.bos = gguf.metadata.integer("tokenizer.ggml.bos_token_id");
  vocabulary.eos = gguf.metadata.integer("tokenizer.ggml.eos_token_id");
  vocabulary.add_bos = gguf.metadata.boolean("tokenizer.ggml.add_bos_token");
  const auto tokenizer = make_gguf_tokenizer(vocabulary);
  const nlohmann::json reference = nlohmann::json::parse(read_file(reference_path));
  const auto check = [&](const nlohmann::json& run) {
    EXPECT_EQ(tokenizer->encode(run["prompt"].get<std::string>()),
              run["prompt_ids"].get<std::vector<TokenId>>());
    EXPECT_EQ(tokenizer->decode(run["new_ids"].get<std::vector<TokenId>>()), run["text"]);
  };
  for (const auto& run : reference["generate"]) check(run);
  check(reference["chat"]);
  EXPECT_EQ(tokenizer->find("<|im_end|>"), tokenizer->eos());
}

// A byte-level vocabulary: 256 bytes, the merge "a b", a control and a user-defined token.
struct Small {
  std::vector<std::string> spellings;
  GgufVocabulary vocabulary;

  Small() {
    for (int byte = 0; byte < 256; ++byte) {
      spellings.emplace_back(spell_byte(static_cast<uint8_t>(byte)));
    }
    spellings.insert(spellings.end(), {"ab", "12", "<|end|>", "  "});
    vocabulary.file = "small.gguf";
    vocabulary.model = "gpt2";
    vocabulary.pre = "gpt-2";
    vocabulary.tokens.assign(spellings.begin(), spellings.end());
    vocabulary.types.assign(258, 1);
    vocabulary.types.insert(vocabulary.types.end(), {3, 4});
    vocabulary.merges = {"a b", "1 2"};
    vocabulary.bos = 258;
    vocabulary.eos = 258;
  }
};

TEST(Gguf, ByteLevelVocabularyCutsAsItsPreTokeniserSays) {
  Small small;
  const auto ids = [&](const char* pre) {
    small.vocabulary.pre = pre;
    return make_gguf_tokenizer(small.vocabulary)->encode("ab12");
  };
  EXPECT_EQ(ids("gpt-2"), (std::vector<TokenId>{256, 257}));
  EXPECT_EQ(ids("default"), (std::vector<TokenId>{256, 257}));
  EXPECT_EQ(ids(""), (std::vector<TokenId>{256, 257}));
  EXPECT_EQ(ids("smollm"), (std::vector<TokenId>{256, '1', '2'}));
  EXPECT_EQ(ids("qwen2"), (std::vector<TokenId>{256, '1', '2'}));
  EXPECT_EQ(ids("llama-bpe"), (std::vector<TokenId>{258, 256, 257}));  // adds BOS
  for (const char* pre : {"gpt-4o", "tekken", "falcon", "bloom", "dbrx", "stablelm2", "viking",
                          "deepseek-coder", "mpt"}) {
    small.vocabulary.pre = pre;
    const auto tokenizer = make_gguf_tokenizer(small.vocabulary);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("ab 12's, ĂB\n\n x")), "ab 12's, ĂB\n\n x");
  }
}

TEST(Gguf, ControlTokensAreSpecialAndUserDefinedOnesAlwaysFound) {
  const Small small;
  const auto tokenizer = make_gguf_tokenizer(small.vocabulary);
  EXPECT_EQ(tokenizer->encode("a  <|end|>"), (std::vector<TokenId>{'a', 259, 258}));
  EXPECT_EQ(tokenizer->encode("  <|end|>", {.parse_special = false}).size(), 8u);
  EXPECT_TRUE(tokenizer->is_special(258));
  EXPECT_FALSE(tokenizer->is_special(259));
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{259, 256}), "  ab");
}

TEST(Gguf, FlagsDecideWhatIsAdded) {
  Small small;
  small.vocabulary.add_bos = true;
  small.vocabulary.add_eos = true;
  EXPECT_EQ(make_gguf_tokenizer(small.vocabulary)->encode("ab"),
            (std::vector<TokenId>{258, 256, 258}));
  small.vocabulary.pre = "llama-bpe";
  small.vocabulary.add_bos = small.vocabulary.add_eos = false;
  EXPECT_EQ(make_gguf_tokenizer(small.vocabulary)->encode("ab"), (std::vector<TokenId>{256}));
}

TEST(Gguf, BrokenVocabulariesAreRefused) {
  const Small small;
  const auto refused = [&](auto change, const char* part) {
    GgufVocabulary vocabulary = small.vocabulary;
    change(vocabulary);
    EXPECT_NE(error_of(vocabulary).find(part), std::string::npos) << error_of(vocabulary);
  };
  refused([](auto& v) { v.pre = "odd-pre"; }, "odd-pre");
  refused([](auto& v) { v.model = "bert"; }, "bert");
  refused([](auto& v) { v.tokens.clear(); }, "empty");
  refused([](auto& v) { v.types.pop_back(); }, "token types");
  refused([](auto& v) { v.model = "llama"; }, "scores");
  refused([](auto& v) { v.merges.push_back("a zz"); }, "\"zz\"");
  refused([](auto& v) { v.merges.push_back("ab"); }, "two tokens");
  refused([](auto& v) { v.bos = 260; }, "bos_token_id");
  refused([](auto& v) { v.eos = -1; }, "eos_token_id");
  refused(
      [](auto& v) {
        v.bos.reset();
        v.add_bos = true;
      },
      "without bos_token_id");
  refused(
      [](auto& v) {
        v.model = "llama";
        v.scores.assign(v.tokens.size(), std::nanf(""));
      },
      "not a number");
}

}  // namespace
}  // namespace octet::tokenizer

// Directories: which file is taken, stories260K's two tokenisers, tokenizer.model files cut short.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "support/shared_data.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/test_tokenizers.h"
#include "tokenizer/vocabulary_files.h"

namespace octet::tokenizer {
namespace {

using octet::test::shared_path;

/// A directory for one test, removed at its end.
class Directory {
 public:
  Directory() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("octet_") + info->test_suite_name() + "_" + info->name());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void put(const char* name, const std::string& text) const { write_file(path_ / name, text); }

 private:
  std::filesystem::path path_;
};

// vocab.json with the 256 bytes behind `first` tokens, and one merge.
std::string vocab_json(std::initializer_list<const char*> first) {
  nlohmann::json vocab = nlohmann::json::object();
  int id = 0;
  for (const char* token : first) vocab[token] = id++;
  for (int byte = 0; byte < 256; ++byte) {
    vocab[std::string(spell_byte(static_cast<uint8_t>(byte)))] = id++;
  }
  vocab["ab"] = id;
  return vocab.dump();
}

TEST(Directory, WithoutATokeniserSaysWhatWasLookedFor) {
  const Directory directory;
  try {
    load_tokenizer(directory.path());
    FAIL();
  } catch (const Error& error) {
    const std::string text = error.what();
    for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt"}) {
      EXPECT_NE(text.find(name), std::string::npos) << text;
    }
  }
}

TEST(Directory, PrefersTokenizerJsonAndReadsItsConfiguration) {
  const Directory directory;
  directory.put("vocab.json", "{}");
  directory.put("merges.txt", "");
  directory.put("tokenizer.json", test::llama_json({"▁", "a"}, {"▁ a"}).dump());
  directory.put("tokenizer_config.json", R"({"add_bos_token": false, "eos_token": "</s>"})");
  const auto tokenizer = load_tokenizer(directory.path());
  EXPECT_EQ(tokenizer->encode("a"), (std::vector<TokenId>{261}));
  EXPECT_EQ(tokenizer->eos(), 2);
}

TEST(Directory, OptsVocabularyPutsItsEndTokenFirst) {
  const Directory directory;
  directory.put("vocab.json", vocab_json({"<s>", "<pad>", "</s>", "<unk>"}));
  directory.put("merges.txt", "#version: 0.2\r\na b\r\n\r\n");
  const auto tokenizer = load_tokenizer(directory.path());
  EXPECT_EQ(tokenizer->encode("ab"), (std::vector<TokenId>{2, 260}));
  EXPECT_EQ(tokenizer->encode("ab", {.add_special = false}), (std::vector<TokenId>{260}));
  EXPECT_EQ(tokenizer->bos(), 2);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_EQ(tokenizer->encode("</s>"), (std::vector<TokenId>{2, 2}));
}

TEST(Directory, Gpt2sVocabularyAddsNothing) {
  const Directory directory;
  directory.put("vocab.json", vocab_json({"<|endoftext|>"}));
  directory.put("merges.txt", "#version: 0.2\na b\n");
  const auto tokenizer = load_tokenizer(directory.path());
  EXPECT_EQ(tokenizer->encode("ab<|endoftext|>"), (std::vector<TokenId>{257, 0}));
  EXPECT_EQ(tokenizer->eos(), 0);
}

TEST(Directory, SpecialTokensMapNamesTheTokens) {
  const Directory directory;
  directory.put("vocab.json", vocab_json({"<eot>"}));
  directory.put("merges.txt", "a b");
  directory.put("special_tokens_map.json", R"({"bos_token": "<eot>", "eos_token": "<eot>"})");
  directory.put("tokenizer_config.json", R"({"add_bos_token": true})");
  EXPECT_EQ(load_tokenizer(directory.path())->encode("ab"), (std::vector<TokenId>{0, 257}));
}

TEST(Directory, MergesThatDoNotFitNameTheirLine) {
  const std::string vocab = vocab_json({});
  for (const char* merges : {"a b\nx", "a b\na zz", "a b\na b c"}) {
    try {
      parse_vocabulary_files({vocab, "vocab.json", merges, "merges.txt"}, {});
      FAIL() << merges;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("merges.txt: line 2 "), std::string::npos)
          << error.what();
    }
  }
}

TEST(Directory, Stories260KHasTheSameTokensInBothFiles) {
  const auto source = shared_path("models/stories260K");
  OCTET_REQUIRE_PATH(source);
  const Directory directory;
  std::filesystem::copy(source / "tokenizer.model", directory.path());
  const auto json = load_tokenizer(source);
  const auto model = load_tokenizer(directory.path());
  const std::vector<TokenId> expected = {1, 403, 407, 261, 378};
  EXPECT_EQ(json->encode("Once upon a time"), expected);
  EXPECT_EQ(model->encode("Once upon a time"), expected);
  EXPECT_EQ(model->bos(), 1);
  EXPECT_EQ(model->eos(), 2);
  EXPECT_EQ(json->vocabulary_size(), model->vocabulary_size());
  std::mt19937 random(6);
  for (int round = 0; round < 300; ++round) {
    const std::string text = test::random_text(random, 30);
    EXPECT_EQ(json->encode(text), model->encode(text)) << text;
    EXPECT_EQ(json->decode(json->encode(text)), text);
    EXPECT_EQ(model->decode(model->encode(text)), text);
  }
}

TEST(SentencePiece, FilesCutShortOrFlippedLoadOrAreRefused) {
  const auto path = shared_path("models/stories260K/tokenizer.model");
  OCTET_REQUIRE_PATH(path);
  const std::string bytes = read_file(path);
  std::mt19937 random(7);
  const auto try_load = [](const std::string& changed) {
    try {
      parse_sentencepiece(changed, "tokenizer.model", {})->encode("Once upon a time \xFF é");
    } catch (const Error&) {
    }
  };
  for (size_t length = 0; length < bytes.size(); length += 37) try_load(bytes.substr(0, length));
  for (int round = 0; round < 300; ++round) {
    std::string changed = bytes;
    changed[random() % changed.size()] ^= static_cast<char>(1u << random() % 8);
    try_load(changed);
  }
  EXPECT_THROW(parse_sentencepiece("", "tokenizer.model", {}), Error);
  EXPECT_THROW(parse_sentencepiece("not a model", "tokenizer.model", {}), Error);
}

std::string charsmap_blob(const std::vector<uint32_t>& units, const std::string& replacements) {
  const auto bytes = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
  std::string blob(sizeof(bytes) + bytes, '\0');
  std::memcpy(blob.data(), &bytes, sizeof(bytes));
  std::memcpy(blob.data() + sizeof(bytes), units.data(), bytes);
  return blob + replacements;
}

TEST(Charsmap, MapsWhatTheTrieSaysAndStaysInside) {
  // Root at 0 with children around 256: 'a' maps to "bc".
  std::vector<uint32_t> units(768, 1u << 31);
  units[0] = 256u << 10;
  units[256 + 'a'] = 'a' | 1u << 8 | (512u ^ (256u + 'a')) << 10;  // has a leaf, at 512
  units[512] = 1u << 31 | 2;
  const std::string replacements("x\0bc\0", 5);
  const Charsmap charsmap(charsmap_blob(units, replacements));
  EXPECT_EQ(charsmap.apply("aéa"), "bcébc");
  EXPECT_EQ(charsmap.replacement("b"), std::nullopt);
  units[512] = 1u << 31 | 5;
  EXPECT_THROW(Charsmap(charsmap_blob(units, replacements)), Error);
  units[512] = 1u << 31;
  units[256 + 'a'] = 'a' | 0x1FFFFFu << 10;
  EXPECT_THROW(Charsmap(charsmap_blob(units, replacements)), Error);
  EXPECT_THROW(Charsmap(charsmap_blob(std::vector<uint32_t>(256, ~0u), replacements)), Error);
  EXPECT_THROW(Charsmap("\x04"), Error);
  EXPECT_THROW(Charsmap(std::string("\xFF\xFF\xFF\x7F....", 8)), Error);
}

}  // namespace
}  // namespace octet::tokenizer

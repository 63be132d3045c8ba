// Byte-pair encoding: the merging loop against its definition, byte-level and fallback models.
#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "tokenizer/test_tokenizers.h"

namespace octet::tokenizer {
namespace {

using test::byte_level_json;
using test::llama_json;
using test::make;

constexpr EncodeOptions kPlain{.add_special = false};

// The definition: merge the pair of lowest rank, of equals the leftmost, until there is none.
std::vector<TokenId> merge_by_definition(std::vector<TokenId> ids, const MergeTable& table) {
  while (true) {
    std::optional<MergedPair> best;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto pair = table.find(ids[i], ids[i + 1]);
      if (pair && (!best || pair->rank < best->rank)) {
        best = pair;
        at = i;
      }
    }
    if (!best) return ids;
    ids[at] = best->id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(Merger, GivesWhatTheDefinitionGivesOnRandomTables) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    MergeTable table;
    TokenId next = 4;
    for (int i = 0; i < 20; ++i) {
      const auto left = static_cast<TokenId>(random() % static_cast<uint32_t>(next));
      const auto right = static_cast<TokenId>(random() % static_cast<uint32_t>(next));
      table.add(left, right, next++);
    }
    std::vector<TokenId> ids(random() % 60);
    Merger merger;
    for (size_t i = 0; i < ids.size(); ++i) {
      ids[i] = static_cast<TokenId>(random() % 4);
      merger.append(ids[i], i, 1);
    }
    merger.merge([&](const Symbol& a, const Symbol& b) { return table.find(a.id, b.id); });
    std::vector<TokenId> merged;
    for (const Symbol& symbol : merger.symbols) {
      if (symbol.length > 0) merged.push_back(symbol.id);
    }
    EXPECT_EQ(merged, merge_by_definition(ids, table));
  }
}

TEST(MergeTable, KeepsTheFirstMergeOfAPairThroughGrowth) {
  MergeTable table;
  for (TokenId i = 0; i < 1000; ++i) table.add(i, i + 1, i + 10'000);
  table.add(5, 6, 1);
  for (TokenId i = 0; i < 1000; ++i) {
    const auto pair = table.find(i, i + 1);
    ASSERT_TRUE(pair.has_value());
    EXPECT_EQ(pair->id, i + 10'000);
    EXPECT_EQ(pair->rank, static_cast<uint32_t>(i));
    EXPECT_FALSE(table.find(i + 1, i).has_value());
  }
}

// 49,152 tokens of 7 bytes with as many merges, SmolLM2's size: a few MB in all, where a map of
// strings takes more than ten times that.
TEST(Memory, OfAVocabularyOfFiftyThousandTokensIsSmall) {
  constexpr TokenId kTokens = 49'152;
  Vocabulary vocabulary;
  MergeTable merges;
  vocabulary.reserve(kTokens, kTokens * 7);
  merges.reserve(kTokens);
  for (TokenId id = 0; id < kTokens; ++id) {
    vocabulary.add(fmt::format("{:07}", id), id);
    merges.add(id, id, id);
  }
  EXPECT_LT(vocabulary.memory_bytes() + merges.memory_bytes(), size_t{3} << 20);
}

TEST(Vocabulary, FindsTheFirstOfEqualSpellingsAndRefusesOddIds) {
  Vocabulary vocabulary;
  for (TokenId id = 0; id < 2000; ++id) vocabulary.add(std::to_string(id % 1000), id);
  EXPECT_EQ(vocabulary.find("17"), 17);
  EXPECT_EQ(vocabulary.spelling(1017), "17");
  EXPECT_EQ(vocabulary.find("1000"), kNoToken);
  EXPECT_EQ(vocabulary.spelling(-1), "");
  EXPECT_EQ(vocabulary.spelling(2000), "");
  EXPECT_EQ(vocabulary.size(), 2000);
  EXPECT_THROW(vocabulary.add("x", -1), Error);
  EXPECT_THROW(vocabulary.add("x", kMaximumTokenId + 1), Error);
}

TEST(ByteLevelBpe, MergesInOrderOfRank) {
  const auto tokenizer = make(byte_level_json({"b c", "a b", "Ġ a", "Ġa bc"}));
  EXPECT_EQ(tokenizer->encode("abc"), (std::vector<TokenId>{'a', 256}));
  EXPECT_EQ(tokenizer->encode("ab"), (std::vector<TokenId>{257}));
  EXPECT_EQ(tokenizer->encode(" abc"), (std::vector<TokenId>{259}));
  EXPECT_EQ(tokenizer->find("Ġabc"), 259);
  EXPECT_EQ(tokenizer->token_bytes(259), " abc");
  EXPECT_EQ(tokenizer->vocabulary_size(), 261);
}

TEST(ByteLevelBpe, WithIgnoreMergesTakesAPieceThatIsAToken) {
  nlohmann::json json = byte_level_json({"b c", "a b", "ab c"});
  EXPECT_EQ(make(json)->encode("abc"), (std::vector<TokenId>{'a', 256}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(make(json)->encode("abc"), (std::vector<TokenId>{258}));
}

TEST(ByteLevelBpe, AcceptsMergesAsPairs) {
  nlohmann::json json = byte_level_json({"b c", "a b"});
  json["model"]["merges"] = nlohmann::json::parse(R"([["b", "c"], ["a", "b"]])");
  EXPECT_EQ(make(json)->encode("abc"), (std::vector<TokenId>{'a', 256}));
}

TEST(ByteLevelBpe, GivesRandomTextBack) {
  const auto tokenizer = make(byte_level_json({"a b", "Ġ a", "Ã ©", "ã Ģ", "ãĢ Ģ", "Ġ Ġ"}));
  std::mt19937 random(2);
  for (int round = 0; round < 500; ++round) {
    const std::string text = test::random_text(random, 40);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

TEST(ByteLevelBpe, PassesBytesThroughThatAreNotUtf8) {
  const auto tokenizer = make(byte_level_json({"a b", "Ġ a", "Ã ©", "ÿ ÿ"}));
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    const std::string bytes = test::random_text(random, 8) + test::random_bytes(random, 20) +
                              test::random_text(random, 8);
    std::string back;
    for (const TokenId id : tokenizer->encode(bytes)) back += tokenizer->token_bytes(id);
    EXPECT_EQ(back, bytes);
  }
}

TEST(FallbackBpe, SpellsUnknownCharactersAsBytes) {
  const auto tokenizer = make(llama_json({"▁", "a"}, {"▁ a"}));
  const std::vector<TokenId> expected = {1, 261, 3 + 0xC3, 3 + 0xA9, 260};
  EXPECT_EQ(tokenizer->encode("aéa"), expected);
  EXPECT_EQ(tokenizer->decode(expected), "aéa");
}

TEST(FallbackBpe, WithoutTheByteTokensFusesUnknownCharacters) {
  nlohmann::json json = llama_json({"▁", "a"}, {"▁ a"});
  json["model"]["byte_fallback"] = false;
  EXPECT_EQ(make(json)->encode("aéèa"), (std::vector<TokenId>{1, 261, 0, 260}));
  json["model"]["fuse_unk"] = false;
  EXPECT_EQ(make(json)->encode("aéèa"), (std::vector<TokenId>{1, 261, 0, 0, 260}));
  json["model"].erase("unk_token");
  EXPECT_EQ(make(json)->encode("aéèa"), (std::vector<TokenId>{1, 261, 260}));
}

TEST(FallbackBpe, ReadsBrokenBytesAsTheReplacementCharacter) {
  const auto tokenizer = make(llama_json({"▁", "a"}, {}));
  EXPECT_EQ(tokenizer->encode("a\xFF"), tokenizer->encode("a\uFFFD"));
}

// A megabyte is 2^20 bytes: a quadratic loop would take 2^39 steps, hours. The limit leaves room
// for sanitizers and busy machines.
TEST(Merger, TakesAMegabyteOfOneLetterInSeconds) {
  const std::string text(size_t{1} << 20, 'a');
  const auto byte_level = make(byte_level_json({"a a", "aa aa", "aaaa aaaa"}));
  const auto fallback = make(llama_json({"▁", "a"}, {"a a", "aa aa", "aaaa aaaa"}));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(byte_level->encode(text).size(), text.size() / 8);
  EXPECT_EQ(fallback->encode(text, kPlain).size(), text.size() / 8 + 1);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  EXPECT_LT(elapsed.count(), 30.0);
}

}  // namespace
}  // namespace octet::tokenizer

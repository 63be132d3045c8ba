// Decoding token by token: whole characters only, and together the same text as decode().
#include <gtest/gtest.h>

#include <random>

#include "support/shared_data.h"
#include "tokenizer/test_tokenizers.h"

namespace octet::tokenizer {
namespace {

using test::byte_level_json;
using test::llama_json;
using test::make;

// Random ids, those of no token included, and stretches of real text among them.
std::vector<TokenId> random_ids(const Tokenizer& tokenizer, std::mt19937& random) {
  std::vector<TokenId> ids;
  for (uint32_t n = random() % 30; n > 0; --n) {
    if (random() % 3 == 0) {
      const auto text = tokenizer.encode(test::random_text(random, 6));
      ids.insert(ids.end(), text.begin(), text.end());
    } else {
      const auto limit = static_cast<uint32_t>(tokenizer.vocabulary_size()) + 3;
      ids.push_back(static_cast<TokenId>(random() % limit) - 1);
    }
  }
  return ids;
}

void check_streams(const Tokenizer& tokenizer, int rounds) {
  std::mt19937 random(4);
  for (int round = 0; round < rounds; ++round) {
    const bool skip_special = round % 2 == 0;
    const std::vector<TokenId> ids = random_ids(tokenizer, random);
    StreamDecoder stream(tokenizer, skip_special);
    std::string joined;
    for (const TokenId id : ids) {
      const std::string part = stream.push(id);
      ASSERT_EQ(well_formed_prefix(part), part.size()) << "half a character";
      joined += part;
    }
    const std::string last = stream.finish();
    ASSERT_EQ(well_formed_prefix(last), last.size());
    ASSERT_EQ(joined + last, tokenizer.decode(ids, skip_special));
  }
}

TEST(StreamDecoder, IsDecodeInPartsForByteLevelTokens) {
  check_streams(*make(byte_level_json({"a b", "Ã ©", "ð Ł", "ðŁ Į", "Ġ a"})), 2000);
}

TEST(StreamDecoder, IsDecodeInPartsForFallbackTokens) {
  check_streams(*make(llama_json({"▁", "a", "é"}, {"▁ a", "▁ ▁"})), 2000);
}

TEST(StreamDecoder, IsDecodeInPartsForTheReferenceTokenisers) {
  OCTET_REQUIRE_PATH(octet::test::shared_path("tokenizers"));
  for (const char* name : {"gpt2", "gpt-neox-20b", "llama2", "t5-small"}) {
    SCOPED_TRACE(name);
    const auto path = octet::test::shared_path("tokenizers") / name;
    check_streams(*load_tokenizer(path), 300);
  }
}

TEST(StreamDecoder, HoldsACharacterBackUntilItIsWhole) {
  const auto tokenizer = make(byte_level_json({}));
  StreamDecoder stream(*tokenizer);
  EXPECT_EQ(stream.push(0xF0), "");
  EXPECT_EQ(stream.push(0x9F), "");
  EXPECT_EQ(stream.push(0x8C), "");
  EXPECT_EQ(stream.push(0x8D), "🌍");
  EXPECT_EQ(stream.push(0xE2), "");
  EXPECT_EQ(stream.push('x'), "\uFFFDx");  // can never complete
  EXPECT_EQ(stream.push(0xE2), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.push('y'), "y");  // starts anew
}

TEST(StreamDecoder, TakesTheSpacePutBeforeTheTextAwayOnce) {
  const auto tokenizer = make(llama_json({"▁", "a"}, {"▁ a"}));
  StreamDecoder stream(*tokenizer);
  EXPECT_EQ(stream.push(1), "");  // BOS is skipped and does not count as the first token
  EXPECT_EQ(stream.push(261), "a");
  EXPECT_EQ(stream.push(261), " a");
  EXPECT_EQ(tokenizer->token_bytes(261), " a");
}

// Broken bytes in byte fallback become one mark each, as SentencePiece has it; in byte-level
// tokens one mark stands for the start of a character that does not go on, as Rust has it.
TEST(Decode, MarksBrokenBytes) {
  const auto fallback = make(llama_json({"▁", "a"}, {}));
  EXPECT_EQ(fallback->decode(std::vector<TokenId>{3 + 0xE2, 3 + 0x82, 260}), "\uFFFD\uFFFDa");
  EXPECT_EQ(fallback->decode(std::vector<TokenId>{3 + 0xE2, 3 + 0x82, 3 + 0xAC}), "€");
  const auto byte_level = make(byte_level_json({}));
  EXPECT_EQ(byte_level->decode(std::vector<TokenId>{0xE2, 0x82, 'a'}), "\uFFFDa");
}

TEST(Decode, SkipsSpecialTokensOnRequest) {
  const auto tokenizer = make(byte_level_json({}));
  const auto ids = tokenizer->encode("a<|end|>b");
  EXPECT_EQ(ids, (std::vector<TokenId>{'a', 256, 'b'}));
  EXPECT_TRUE(tokenizer->is_special(256));
  EXPECT_FALSE(tokenizer->is_special('a'));
  EXPECT_EQ(tokenizer->decode(ids), "ab");
  EXPECT_EQ(tokenizer->decode(ids, false), "a<|end|>b");
  EXPECT_EQ(tokenizer->encode("<|end|>", {.parse_special = false}).size(), 7u);
}

}  // namespace
}  // namespace octet::tokenizer

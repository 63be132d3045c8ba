// Requests as tokens: where the continuation begins, what is shared, what is cut.
#include "evaluate/tasks/sequences.h"

#include <gtest/gtest.h>

#include "octet/error.h"

namespace octet::evaluate {
namespace {

using Tokens = std::vector<int32_t>;

/// A token a byte, but a space and the letter after it are one: 256 + the letter.
class SpaceTokenizer final : public tokenizer::Tokenizer {
 public:
  explicit SpaceTokenizer(bool has_bos = true) : has_bos_(has_bos) {}

  Tokens encode(std::string_view text, const tokenizer::EncodeOptions& options) const override {
    EXPECT_FALSE(options.add_special);
    Tokens tokens;
    for (size_t i = 0; i < text.size(); ++i) {
      const bool joins = text[i] == ' ' && i + 1 < text.size() && text[i + 1] != ' ';
      tokens.push_back(joins ? 256 + text[++i] : text[i]);
    }
    return tokens;
  }
  std::string token_bytes(int32_t) const override { return {}; }
  int64_t vocabulary_size() const override { return 512; }
  std::optional<int32_t> bos() const override {
    return has_bos_ ? std::optional<int32_t>(500) : std::nullopt;
  }
  std::optional<int32_t> eos() const override { return {}; }
  bool is_special(int32_t) const override { return false; }
  std::optional<int32_t> find(std::string_view) const override { return {}; }

 private:
  void decode_next(int32_t, bool, tokenizer::DecodeState&, std::string&) const override {}
  void decode_end(tokenizer::DecodeState&, std::string&) const override {}

  bool has_bos_;
};

DocumentSequences encode(const std::vector<Request>& requests, bool add_bos = false) {
  const SpaceTokenizer tokenizer;
  const Document document = {.requests = requests, .gold = 0};
  return encode_documents({.tokenizer = tokenizer, .add_bos = add_bos}, {&document, 1}, "data")
      .front();
}

TEST(Sequences, AreScoredFromTheEndOfTheContext) {
  const TokenSequence sequence = encode({{"it", " is"}}).answers.front();
  EXPECT_EQ(sequence.tokens, (Tokens{'i', 't', 256 + 'i', 's'}));
  EXPECT_EQ(sequence.scored_from, 2);
  EXPECT_EQ(sequence.read(), 3);
}

TEST(Sequences, SpacesThatEndAContextCountToTheContinuation) {
  const TokenSequence sequence = encode({{"it ", "is"}}).answers.front();
  EXPECT_EQ(sequence.tokens, (Tokens{'i', 't', 256 + 'i', 's'}));
  EXPECT_EQ(sequence.scored_from, 2);
}

TEST(Sequences, BeginWithAStartTokenWhereTheContextIsEmptyOrItIsAskedFor) {
  const TokenSequence empty = encode({{"", " is"}}).answers.front();
  EXPECT_EQ(empty.tokens, (Tokens{500, 256 + 'i', 's'}));
  EXPECT_EQ(empty.scored_from, 1);
  const TokenSequence asked = encode({{"it", " is"}}, true).answers.front();
  EXPECT_EQ(asked.tokens, (Tokens{500, 'i', 't', 256 + 'i', 's'}));
  EXPECT_EQ(asked.scored_from, 3);
  const SpaceTokenizer without(false);
  const Document document = {.requests = {{"", " is"}}, .gold = 0};
  EXPECT_THROW(encode_documents({.tokenizer = without}, {&document, 1}, "data"), Error);
  EXPECT_THROW(encode_documents({.tokenizer = without, .add_bos = true}, {&document, 1}, "data"),
               Error);
}

TEST(Sequences, ShareWhatTheyBeginWithBeforeAnyScore) {
  // The last token of the context gives the first score, so it is not shared.
  EXPECT_EQ(encode({{"abc", " x"}, {"abc", " y"}}).shared, 2);
  EXPECT_EQ(encode({{"abcd", " x"}, {"abXd", " x"}}).shared, 2);
  EXPECT_EQ(encode({{"abc", " x"}, {"ab", "c x"}}).shared, 1);
  EXPECT_EQ(encode({{"a", " x"}, {"b", " x"}}).shared, 0);
}

TEST(Sequences, AreCutFromTheLeft) {
  std::vector<DocumentSequences> documents = {encode({{"abcd", " xy"}, {"abcd", " wxyz"}})};
  EXPECT_EQ(longest_read(documents), 7);
  cut_to_context(documents, 5, "data");
  const auto& answers = documents[0].answers;
  EXPECT_EQ(answers[0].tokens, (Tokens{'a', 'b', 'c', 'd', 256 + 'x', 'y'}));
  EXPECT_EQ(answers[0].scored_from, 4);
  EXPECT_EQ(answers[1].tokens, (Tokens{'c', 'd', 256 + 'w', 'x', 'y', 'z'}));
  EXPECT_EQ(answers[1].scored_from, 2);
  EXPECT_EQ(documents[0].shared, 0);
  EXPECT_EQ(longest_read(documents), 5);
  EXPECT_THROW(cut_to_context(documents, 3, "data"), Error);
}

}  // namespace
}  // namespace octet::evaluate

// Added tokens: where they are found, and the white space they take.
#include "tokenizer/added_tokens.h"

#include <gtest/gtest.h>

namespace octet::tokenizer {
namespace {

using Where = AddedTokens::Where;
using Found = std::vector<std::pair<std::string, TokenId>>;

Found split(const AddedTokens& tokens, std::string_view text, bool parse_special = true,
            Where where = Where::kRawText) {
  Found found;
  for (const auto& segment : tokens.split(text, where, parse_special)) {
    found.push_back({std::string(segment.text), segment.id});
  }
  return found;
}

AddedTokens make(std::vector<AddedToken> tokens) {
  return {std::move(tokens), Normalizer()};
}

TEST(AddedTokens, LeftmostThenLongestIsFound) {
  const auto tokens = make({{.id = 1, .content = "<a>"},
                            {.id = 2, .content = "<a><b>"},
                            {.id = 3, .content = "<b><c>"}});
  EXPECT_EQ(split(tokens, "x<a><b><c>"),
            (Found{{"x", kNoToken}, {"<a><b>", 2}, {"<c>", kNoToken}}));
  EXPECT_EQ(split(tokens, "<a><a"), (Found{{"<a>", 1}, {"<a", kNoToken}}));
  EXPECT_EQ(split(tokens, ""), Found{});
}

TEST(AddedTokens, SpecialOnesAreLeftAloneOnRequest) {
  const auto tokens =
      make({{.id = 1, .content = "<s>", .special = true}, {.id = 2, .content = "  "}});
  EXPECT_EQ(split(tokens, "<s>  ", false), (Found{{"<s>", kNoToken}, {"  ", 2}}));
}

TEST(AddedTokens, TakeTheSpaceTheyAskFor) {
  const auto left = make({{.id = 1, .content = "<m>", .lstrip = true}});
  EXPECT_EQ(split(left, "a \u3000<m> b"),
            (Found{{"a", kNoToken}, {" \u3000<m>", 1}, {" b", kNoToken}}));
  EXPECT_EQ(split(left, "<m> <m>"), (Found{{"<m>", 1}, {" <m>", 1}}));
  const auto right = make({{.id = 1, .content = "<m>", .rstrip = true}});
  EXPECT_EQ(split(right, "a <m> \n<m>"), (Found{{"a ", kNoToken}, {"<m> \n", 1}, {"<m>", 1}}));
}

TEST(AddedTokens, SingleWordsAreNotFoundInsideWords) {
  const auto tokens = make({{.id = 1, .content = "ing", .single_word = true}});
  EXPECT_EQ(split(tokens, "sing"), (Found{{"sing", kNoToken}}));
  EXPECT_EQ(split(tokens, "ingé"), (Found{{"ingé", kNoToken}}));
  EXPECT_EQ(split(tokens, "(ing)"), (Found{{"(", kNoToken}, {"ing", 1}, {")", kNoToken}}));
}

TEST(AddedTokens, NormalizedOnesAreSoughtInNormalizedText) {
  std::vector<NormalizerStep> steps;
  steps.emplace_back(Lowercase{});
  const Normalizer lowercase(std::move(steps));
  const AddedTokens tokens({{.id = 1, .content = "AbC", .normalized = true}}, lowercase);
  EXPECT_EQ(split(tokens, "xAbC"), (Found{{"xAbC", kNoToken}}));
  EXPECT_EQ(split(tokens, "xabc", true, Where::kNormalizedText),
            (Found{{"x", kNoToken}, {"abc", 1}}));
}

TEST(AddedTokens, AreFoundByTextAndId) {
  const auto tokens = make({{.id = 9, .content = "<b>"}, {.id = 4, .content = "<a>"}});
  EXPECT_EQ(tokens.find("<a>")->id, 4);
  EXPECT_EQ(tokens.find("<"), nullptr);
  EXPECT_EQ(tokens.find(9)->content, "<b>");
  EXPECT_EQ(tokens.find(5), nullptr);
  EXPECT_EQ(tokens.largest_id(), 9);
}

}  // namespace
}  // namespace octet::tokenizer

// Divergence and agreement of continuations, counted by hand.
#include "evaluate/continuations/comparison.h"

#include <gtest/gtest.h>

#include "evaluate/continuations/greedy.h"

namespace octet::evaluate {
namespace {

using Tokens = std::vector<int32_t>;

TEST(Compare, CountsEqualPositionsOfTheLongerOne) {
  Comparison result = compare(Tokens{1, 2, 3, 4}, Tokens{1, 2, 3, 4});
  EXPECT_FALSE(result.first_divergence.has_value());
  EXPECT_EQ(result.agreement(), 1);
  result = compare(Tokens{1, 9, 3, 9}, Tokens{1, 2, 3, 4});
  EXPECT_EQ(result.first_divergence, 1);
  EXPECT_EQ(result.agreement(), 0.5);
  // One ended where the other went on.
  result = compare(Tokens{1, kEndOfText}, Tokens{1, 2, 3, 4});
  EXPECT_EQ(result.first_divergence, 1);
  EXPECT_EQ(result.agreement(), 0.25);
  EXPECT_EQ(compare(Tokens{1}, Tokens{1, 2}).first_divergence, 1);
  EXPECT_EQ(compare(Tokens{}, Tokens{}).agreement(), 1);
}

TEST(Summary, HasALineForEachKind) {
  const std::vector<Prompt> prompts = {{PromptKind::json, "a", "["},
                                       {PromptKind::prose, "b", "x"},
                                       {PromptKind::json, "c", "{"},
                                       {PromptKind::json, "d", "{"}};
  const std::vector<Comparison> comparisons = {{.positions = 4, .equal = 4, .first_divergence = {}},
                                               {.positions = 4, .equal = 1, .first_divergence = 1},
                                               {.positions = 4, .equal = 2, .first_divergence = 2},
                                               {.positions = 4, .equal = 0, .first_divergence = 0}};
  const std::vector<Check> checks = {Check::parses, Check::not_checked, Check::broken,
                                     Check::unfinished};
  const auto summaries = summarize(prompts, comparisons, checks);
  ASSERT_EQ(summaries.size(), 2u);
  EXPECT_EQ(summaries[0].kind, PromptKind::prose);
  EXPECT_EQ(summaries[0].not_checked, 1);
  EXPECT_EQ(summaries[0].median_divergence, 1);
  const KindSummary& json = summaries[1];
  EXPECT_EQ(json.prompts, 3);
  EXPECT_EQ(json.identical, 1);
  EXPECT_EQ(json.median_divergence, 2);
  EXPECT_EQ(json.agreement, 0.5);
  EXPECT_EQ(json.parses, 1);
  EXPECT_EQ(json.broken, 1);
  EXPECT_EQ(json.unfinished, 1);
}

TEST(Summary, SaysWhenMostNeverDiverge) {
  const std::vector<Prompt> prompts(2, {PromptKind::prose, "a", "x"});
  const std::vector<Comparison> same(2);
  const std::vector<Check> checks(2, Check::not_checked);
  EXPECT_FALSE(summarize(prompts, same, checks)[0].median_divergence.has_value());
}

}  // namespace
}  // namespace octet::evaluate

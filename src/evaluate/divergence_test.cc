// Scoring rows of logits: against distributions whose answers are known in closed form.
#include "evaluate/divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace octet::evaluate {
namespace {

// The rows below hold logarithms rounded to float: an error of 2⁻²⁴·|log| ≤ 2⁻²² in each logit
// moves log-softmax by at most twice that, and a KL of two rows by at most four times.
constexpr double kTolerance = 4.0 / (1 << 22);

std::vector<float> logits_of(const std::vector<double>& probabilities, float shift) {
  std::vector<float> logits;
  for (double p : probabilities) logits.push_back(static_cast<float>(std::log(p)) + shift);
  return logits;
}

TEST(ScoreRow, NllIsMinusTheLogOfTheProbability) {
  const auto logits = logits_of({0.5, 0.25, 0.25}, 0);
  EXPECT_NEAR(score_row(logits, 0).nll, std::log(2.0), kTolerance);
  EXPECT_NEAR(score_row(logits, 2).nll, std::log(4.0), kTolerance);
}

TEST(ScoreRow, UniformRowsGiveLogOfTheVocabularyExactlyToRounding) {
  const std::vector<float> row(1000, -7.0f);
  // Sums of 1000 doubles: 1000 · 2⁻⁵³ relative.
  EXPECT_NEAR(score_row(row, 999).nll, std::log(1000.0), 1000 * std::ldexp(1.0, -53));
}

TEST(ScoreRow, KlIsTheDivergenceOfTheReferenceFromTheRow) {
  const std::vector<double> p = {0.5, 0.25, 0.25};
  const std::vector<double> q = {0.25, 0.5, 0.25};
  const double kl = 0.5 * std::log(2.0) + 0.25 * std::log(0.5);
  const RowScore score = score_row(logits_of(q, 0), 0, logits_of(p, 0));
  EXPECT_NEAR(score.kl, kl, kTolerance);
  EXPECT_FALSE(score.same_top);
}

TEST(ScoreRow, KlIsNotSymmetricAndTakesTheReferenceFirst) {
  const std::vector<double> p = {0.9, 0.1};
  const std::vector<double> q = {0.5, 0.5};
  const double of_reference_p = 0.9 * std::log(1.8) + 0.1 * std::log(0.2);
  const double of_reference_q = 0.5 * std::log(0.5 / 0.9) + 0.5 * std::log(5.0);
  EXPECT_NEAR(score_row(logits_of(q, 0), 0, logits_of(p, 0)).kl, of_reference_p, kTolerance);
  EXPECT_NEAR(score_row(logits_of(p, 0), 0, logits_of(q, 0)).kl, of_reference_q, kTolerance);
}

TEST(ScoreRow, AConstantAddedToARowChangesNothing) {
  // 2 and 0.5 are powers of two: adding 2 to logits of magnitude < 2 rounds by at most 2⁻²³.
  const std::vector<double> p = {0.6, 0.3, 0.1};
  const std::vector<double> q = {0.2, 0.7, 0.1};
  const RowScore plain = score_row(logits_of(q, 0), 1, logits_of(p, 0));
  const RowScore moved = score_row(logits_of(q, 2), 1, logits_of(p, 0.5));
  EXPECT_NEAR(plain.kl, moved.kl, kTolerance);
  EXPECT_NEAR(plain.nll, moved.nll, kTolerance);
}

TEST(ScoreRow, TheSameRowHasNoDivergenceAtAll) {
  std::vector<float> row(513);
  for (size_t i = 0; i < row.size(); ++i) row[i] = std::sin(static_cast<float>(i)) * 9;
  const RowScore score = score_row(row, 5, row);
  EXPECT_EQ(score.kl, 0);
  EXPECT_TRUE(score.same_top);
}

TEST(ScoreRow, MinusInfinityIsAProbabilityOfZero) {
  const float never = -std::numeric_limits<float>::infinity();
  const std::vector<float> p = {0, 0, never};
  const std::vector<float> q = {0, 0, 0};
  EXPECT_NEAR(score_row(q, 0, p).kl, std::log(1.5), kTolerance);
  EXPECT_TRUE(std::isinf(score_row(p, 0, q).kl));
  EXPECT_TRUE(std::isinf(score_row(p, 2).nll));
}

TEST(ScoreRow, HugeLogitsDoNotOverflow) {
  const std::vector<float> row = {3e38f, 3e38f, -3e38f};
  EXPECT_EQ(score_row(row, 1).nll, 0);  // log 2 is far below the spacing of doubles at 3e38
  EXPECT_EQ(argmax(row), 0);
}

TEST(Statistics, MeanAndStandardErrorOfTheMean) {
  const std::vector<double> values = {1, 2, 3, 4};
  const Mean mean = mean_of(values);
  EXPECT_EQ(mean.value, 2.5);
  // Sample variance 5/3, divided by n = 4: sqrt rounds once.
  EXPECT_DOUBLE_EQ(mean.standard_error, std::sqrt(5.0 / 12.0));
  EXPECT_EQ(mean_of(std::vector<double>{7}).standard_error, 0);
}

TEST(Statistics, QuantilesTakeTheNearestRank) {
  std::vector<double> values(200);
  std::iota(values.rbegin(), values.rend(), 1.0);  // 200 … 1
  EXPECT_EQ(quantile_of(values, 0.99), 198);
  EXPECT_EQ(quantile_of(values, 0.5), 100);
  EXPECT_EQ(quantile_of(values, 1.0), 200);
  EXPECT_EQ(quantile_of({3}, 0.99), 3);
}

}  // namespace
}  // namespace octet::evaluate

// Accuracies from made log-likelihoods.
#include "evaluate/tasks/accuracy.h"

#include <gtest/gtest.h>

#include <cmath>

namespace octet::evaluate {
namespace {

Document choices(const std::vector<std::string>& answers, size_t gold) {
  Document document;
  document.gold = gold;
  for (const std::string& answer : answers)
    document.requests.push_back({.context = "Question:", .continuation = " " + answer});
  return document;
}

Answers answers(const std::vector<double>& loglikelihoods) {
  Answers answers;
  answers.reserve(loglikelihoods.size());
  for (double value : loglikelihoods) answers.push_back({.loglikelihood = value, .greedy = false});
  return answers;
}

TEST(Accuracy, CountsCharactersWithoutTheFirstSpace) {
  EXPECT_EQ(answer_characters(" abc"), 3);
  EXPECT_EQ(answer_characters(" abc "), 4);
  EXPECT_EQ(answer_characters("  a"), 2);
  EXPECT_EQ(answer_characters(" für €"), 5);
}

TEST(Accuracy, IsTheLikeliestAnswerAndTheLikeliestByCharacter) {
  // Sums: −4 beats −6. By character −4/2 = −2 loses to −6/6 = −1.
  const std::vector<Document> documents = {
      choices({"ab", "abcdef"}, 0), choices({"ab", "abcdef"}, 1), choices({"ab", "abcdef"}, 1)};
  const std::vector<Answers> all = {answers({-4, -6}), answers({-4, -6}), answers({-4, -3})};
  const TaskScore score = score_task(Task::piqa, documents, all);
  EXPECT_EQ(score.documents, 3);
  EXPECT_DOUBLE_EQ(score.accuracy.value, 2.0 / 3);
  ASSERT_TRUE(score.accuracy_norm);
  EXPECT_DOUBLE_EQ(score.accuracy_norm->value, 2.0 / 3);
  // √(p(1−p)/(n−1)) for shares.
  EXPECT_NEAR(score.accuracy.standard_error, std::sqrt(2.0 / 9 / 2), 1e-15);
  EXPECT_FALSE(score.perplexity);
}

TEST(Accuracy, CountsMultiByteCharactersOnce) {
  // −6 over 2 characters (of 3 bytes each) loses to −8 over 4 of one byte; over bytes it would win.
  const std::vector<Document> documents = {choices({"€€", "abcd"}, 1)};
  const std::vector<Answers> all = {answers({-6, -8})};
  EXPECT_EQ(score_task(Task::hellaswag, documents, all).accuracy_norm->value, 1);
}

TEST(Accuracy, TakesTheFirstOfEqualAnswers) {
  const std::vector<Document> documents = {choices({"a", "b"}, 0), choices({"a", "b"}, 1)};
  const std::vector<Answers> all = {answers({-2, -2}), answers({-2, -2})};
  EXPECT_EQ(score_task(Task::arc_easy, documents, all).accuracy.value, 0.5);
}

TEST(Accuracy, OfAGreedyTaskIsWhatGreedyDecodingGives) {
  const std::vector<Document> documents = {choices({"a"}, 0), choices({"b"}, 0)};
  const std::vector<Answers> all = {{{.loglikelihood = -1, .greedy = true}},
                                    {{.loglikelihood = -3, .greedy = false}}};
  const TaskScore score = score_task(Task::lambada, documents, all);
  EXPECT_EQ(score.accuracy.value, 0.5);
  EXPECT_FALSE(score.accuracy_norm);
  ASSERT_TRUE(score.perplexity);
  EXPECT_DOUBLE_EQ(score.perplexity->value, std::exp(2.0));
  EXPECT_DOUBLE_EQ(score.perplexity->standard_error, std::exp(2.0));  // √(2/2) of the mean
}

}  // namespace
}  // namespace octet::evaluate

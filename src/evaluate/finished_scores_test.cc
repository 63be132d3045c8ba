// Scores that a file keeps: the same bits again, whatever happened to the last line.
#include "evaluate/finished_scores.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "octet/error.h"
#include "support/temporary_directory.h"

namespace octet::evaluate {
namespace {

MethodScore some_score(bool divergence) {
  MethodScore score;
  score.perplexity.tokens = 511;
  score.perplexity.windows = 3;
  score.perplexity.nll = {.value = 1.0 / 3, .standard_error = 0.1};
  if (divergence)
    score.perplexity.divergence = {
        .kl = {.value = 1e-300, .standard_error = 2.0 / 7}, .kl_p99 = 0.7, .top1_agreement = 0.9};
  score.tokens_per_s = 1234.5;
  score.weights_bytes = 1LL << 40;
  score.kept_share = 0.0065;
  return score;
}

void expect_equal(const MethodScore& a, const MethodScore& b) {
  EXPECT_EQ(a.perplexity.tokens, b.perplexity.tokens);
  EXPECT_EQ(a.perplexity.windows, b.perplexity.windows);
  EXPECT_EQ(a.perplexity.nll.value, b.perplexity.nll.value);
  EXPECT_EQ(a.perplexity.nll.standard_error, b.perplexity.nll.standard_error);
  ASSERT_EQ(a.perplexity.divergence.has_value(), b.perplexity.divergence.has_value());
  if (a.perplexity.divergence) {
    EXPECT_EQ(a.perplexity.divergence->kl.value, b.perplexity.divergence->kl.value);
    EXPECT_EQ(a.perplexity.divergence->kl.standard_error,
              b.perplexity.divergence->kl.standard_error);
    EXPECT_EQ(a.perplexity.divergence->kl_p99, b.perplexity.divergence->kl_p99);
    EXPECT_EQ(a.perplexity.divergence->top1_agreement, b.perplexity.divergence->top1_agreement);
  }
  EXPECT_EQ(a.tokens_per_s, b.tokens_per_s);
  EXPECT_EQ(a.weights_bytes, b.weights_bytes);
  EXPECT_EQ(a.kept_share, b.kept_share);
}

class Scores : public testing::Test {
 protected:
  const test::TemporaryDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "scores.jsonl";
};

TEST_F(Scores, AreReadAsTheyWereWritten) {
  {
    FinishedScores scores(path_, "octet sweep");
    scores.add(1, "absmax × 2", some_score(true));
    scores.add(2, "fp32", some_score(false));
    expect_equal(*scores.find(1), some_score(true));
  }
  const FinishedScores again(path_, "octet sweep");
  ASSERT_NE(again.find(1), nullptr);
  ASSERT_NE(again.find(2), nullptr);
  EXPECT_EQ(again.find(3), nullptr);
  expect_equal(*again.find(1), some_score(true));
  expect_equal(*again.find(2), some_score(false));
}

TEST_F(Scores, LoseOnlyALineThatWasCutOff) {
  FinishedScores(path_, "x").add(1, "a", some_score(true));
  const std::string line = read_file(path_);
  for (size_t kept = 0; kept < line.size(); ++kept) {
    write_file(path_, line + line.substr(0, kept));
    FinishedScores scores(path_, "x");
    ASSERT_NE(scores.find(1), nullptr);
    scores.add(2, "b", some_score(false));
    const FinishedScores again(path_, "x");
    EXPECT_NE(again.find(2), nullptr) << kept;
  }
}

TEST_F(Scores, RefuseLinesOfOthersAndIncompleteOnes) {
  for (const char* line :
       {"text\n", "{\"octet_eval\":1,\"settings\":\"00\"}\n",
        "{\"octet_score\":1,\"settings\":\"0000000000000001\",\"label\":\"a\",\"tokens\":1}\n"}) {
    write_file(path_, line);
    try {
      FinishedScores(path_, "octet sweep");
      FAIL() << line;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("not written by octet sweep"), std::string::npos);
    }
    EXPECT_EQ(read_file(path_), line);
  }
}

}  // namespace
}  // namespace octet::evaluate

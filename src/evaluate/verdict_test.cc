// The rules of the verdict at their edges.
#include "evaluate/verdict.h"

#include <gtest/gtest.h>

#include <cmath>

namespace octet::evaluate {
namespace {

using linear::Method;

MethodEvidence evidence(Method method, int bits, double ratio, double kl, double top1) {
  MethodEvidence made;
  made.precision.method = method;
  made.precision.activation_bits = bits;
  made.perplexity_ratio = ratio;
  made.kl = {.value = kl, .standard_error = 0};
  made.top1_agreement = top1;
  return made;
}

MethodEvidence llm_int8(double ratio, double kl, double top1) {
  return evidence(Method::llm_int8, 16, ratio, kl, top1);
}

TEST(Verdict, NeedsEveryLimit) {
  EXPECT_EQ(judge(llm_int8(1.01, 0.005, 0.95)), Safety::safe);
  EXPECT_EQ(judge(llm_int8(1.011, 0.005, 0.95)), Safety::with_care);
  EXPECT_EQ(judge(llm_int8(1.01, 0.0051, 0.95)), Safety::with_care);
  EXPECT_EQ(judge(llm_int8(1.01, 0.005, 0.949)), Safety::with_care);
  EXPECT_EQ(judge(llm_int8(1.031, 0.005, 0.95)), Safety::not_safe);
  EXPECT_EQ(judge(llm_int8(1.01, 0.051, 0.95)), Safety::not_safe);
  EXPECT_EQ(judge(llm_int8(1.01, 0.005, 0.89)), Safety::not_safe);
  EXPECT_EQ(judge(llm_int8(0.99, 0, 1)), Safety::safe);
}

TEST(Verdict, JudgesTheUpperEndOfADivergence) {
  MethodEvidence uncertain = llm_int8(1, 0.004, 1);
  uncertain.kl.standard_error = 0.0006;
  EXPECT_EQ(judge(uncertain), Safety::with_care);
  uncertain.kl.standard_error = 0.0004;
  EXPECT_EQ(judge(uncertain), Safety::safe);
}

TEST(Verdict, IsWithCareAtBestWhereManyTextsBreak) {
  MethodEvidence breaking = llm_int8(1, 0, 1);
  breaking.texts = {.in_reference = 8, .broken = 2};
  EXPECT_EQ(judge(breaking), Safety::safe);
  breaking.texts = {.in_reference = 8, .broken = 3};
  EXPECT_EQ(judge(breaking), Safety::with_care);
  breaking.texts = {.in_reference = 3, .broken = 3};  // too few to tell
  EXPECT_EQ(judge(breaking), Safety::safe);
}

TEST(Verdict, OfNotANumberIsNotSafe) {
  EXPECT_EQ(judge(llm_int8(NAN, 0, 1)), Safety::not_safe);
  EXPECT_EQ(judge(llm_int8(1, NAN, 1)), Safety::not_safe);
}

TEST(Recommendation, IsTheBestJudgedThenTheClosest) {
  const std::vector<MethodEvidence> all = {
      evidence(Method::fp32, 32, 1, 0, 1),
      evidence(Method::absmax, 8, 2, 0.7, 0.5),
      evidence(Method::llm_int8, 8, 1.005, 0.004, 0.96),
      evidence(Method::llm_int8_zeropoint, 8, 1.02, 0.001, 0.97),  // closer, but judged worse
      evidence(Method::llm_int8, 16, 1.001, 0.002, 0.98),
  };
  const auto best = recommend(all);
  ASSERT_TRUE(best.has_value());
  EXPECT_EQ(best->method, 4u);
  EXPECT_EQ(best->safety, Safety::safe);
  EXPECT_EQ(best->eight_bits_suffice, true);
}

TEST(Recommendation, TellsWhenEightBitsDoNotSuffice) {
  const std::vector<MethodEvidence> all = {evidence(Method::llm_int8, 8, 1.02, 0.02, 0.92),
                                           evidence(Method::llm_int8, 16, 1.001, 0.002, 0.98)};
  EXPECT_EQ(recommend(all)->eight_bits_suffice, false);
  EXPECT_FALSE(recommend(std::span(all).subspan(1))->eight_bits_suffice.has_value());
}

TEST(Recommendation, NeedsAnInt8Method) {
  const std::vector<MethodEvidence> all = {evidence(Method::bf16, 16, 1, 0, 1)};
  EXPECT_FALSE(recommend(all).has_value());
  const std::vector<MethodEvidence> bad = {evidence(Method::absmax, 8, 9, 9, 0)};
  EXPECT_EQ(recommend(bad)->safety, Safety::not_safe);
}

}  // namespace
}  // namespace octet::evaluate

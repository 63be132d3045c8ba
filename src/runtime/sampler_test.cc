// Sampling: greedy choice, cuts, penalties, and randomness that depends on nothing but its keys.
#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <set>

namespace octet::runtime {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};

Sampled draw(Sampling sampling, uint64_t position, std::vector<int32_t> previous = {},
             std::vector<int32_t> forbidden = {}) {
  return sample(kLogits, sampling, {.tokens = previous}, forbidden, 0, position);
}

Sampling plain(float temperature) {
  return {.temperature = temperature, .top_k = 0, .top_p = 1, .min_p = 0};
}

TEST(Sampler, GreedyTakesTheFirstHighestLogitAndItsLogProbability) {
  const Sampled chosen = draw(plain(0), 0);
  EXPECT_EQ(chosen.token, 1);
  double sum = 0;
  for (float logit : kLogits) sum += std::exp(logit);
  EXPECT_FLOAT_EQ(chosen.logprob, static_cast<float>(3.0 - std::log(sum)));
}

TEST(Sampler, ForbiddenTokensAreNeverChosen) {
  EXPECT_EQ(draw(plain(0), 0, {}, {1, 3}).token, 2);
  for (uint64_t i = 0; i < 200; ++i) {
    const int32_t token = draw(plain(2), i, {}, {1, 3}).token;
    EXPECT_TRUE(token != 1 && token != 3);
  }
}

TEST(Sampler, PenaltyMakesPreviousTokensLessLikelyOnceHoweverOftenTheyAppeared) {
  Sampling sampling = plain(0);
  sampling.repeat_penalty = 1.4f;
  EXPECT_EQ(draw(sampling, 0, {1, 1, 1}).token, 3);
  EXPECT_EQ(draw(sampling, 0, {1, 3}).token, 1);  // 3/1.4 still beats 2
  sampling.repeat_penalty = 1.6f;
  EXPECT_EQ(draw(sampling, 0, {1, 3}).token, 2);
}

TEST(Sampler, PenaltiesOfGeneratedTokensLeaveThePromptsAlone) {
  const std::vector<int32_t> tokens = {3, 1, 1};
  const auto greedy = [&](float presence, float frequency, size_t prompt_size) {
    Sampling sampling = plain(0);
    sampling.presence_penalty = presence;
    sampling.frequency_penalty = frequency;
    return sample(kLogits, sampling, {tokens, prompt_size}, {}, 0, 0).token;
  };
  EXPECT_EQ(greedy(.5f, 0, 3), 1);   // all are of the prompt
  EXPECT_EQ(greedy(.5f, 0, 1), 3);   // 1 was generated
  EXPECT_EQ(greedy(.9f, 0, 0), 1);   // both were: 2.1 and 2.1 against 2
  EXPECT_EQ(greedy(1.1f, 0, 0), 2);  // 1.9 and 1.9
  EXPECT_EQ(greedy(0, .4f, 0), 3);   // once against twice: 2.6 and 2.2
  EXPECT_EQ(greedy(-1, 0, 2), 1);    // less than nothing makes likelier
}

TEST(Sampler, BiasesAreAddedToLogits) {
  Sampling sampling = plain(0);
  sampling.logit_bias = {{4, 4.5f}, {1, -100}};
  const Sampled chosen = sample(kLogits, sampling, {}, {}, 0, 0);
  EXPECT_EQ(chosen.token, 4);
  // The log-probability stays that of the model.
  EXPECT_FLOAT_EQ(chosen.logprob, draw(plain(0), 0).logprob - 4);
}

TEST(Sampler, TheSameKeysDrawTheSameTokenAndOthersDiffer) {
  const Sampling sampling = plain(1);
  int differing = 0;
  for (uint64_t position = 0; position < 64; ++position) {
    EXPECT_EQ(draw(sampling, position).token, draw(sampling, position).token);
    Sampling other = sampling;
    other.seed = 1;
    differing += draw(sampling, position).token != draw(other, position).token;
  }
  EXPECT_GT(differing, 10);
}

TEST(Sampler, FrequenciesFollowTheSoftmax) {
  constexpr int kDraws = 20000;
  std::map<int32_t, int> counts;
  for (uint64_t i = 0; i < kDraws; ++i) ++counts[draw(plain(1), i).token];
  double sum = 0;
  for (float logit : kLogits) sum += std::exp(logit);
  for (size_t i = 0; i < kLogits.size(); ++i) {
    const double p = std::exp(kLogits[i]) / sum;
    // Five standard deviations of a binomial count.
    EXPECT_NEAR(counts[static_cast<int32_t>(i)], kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p)));
  }
}

TEST(Sampler, FrequenciesFollowTheSoftmaxOfALongVocabulary) {
  // Tokens at the edges of the blocks that are summed, the others impossible.
  const std::map<int32_t, float> possible = {{3, .5f}, {255, 1.5f}, {256, 0}, {511, 1}, {600, 2}};
  std::vector<float> logits(700, -std::numeric_limits<float>::infinity());
  double sum = 0;
  for (const auto& [token, logit] : possible) {
    logits[static_cast<size_t>(token)] = logit;
    sum += std::exp(logit);
  }
  EXPECT_NEAR(log_sum_exp(logits), std::log(sum), 2e-6);
  constexpr int kDraws = 20000;
  std::map<int32_t, int> counts;
  for (uint64_t i = 0; i < kDraws; ++i) ++counts[choose(logits, plain(1), {}, {}, 0, i)];
  EXPECT_EQ(counts.size(), possible.size());
  for (const auto& [token, logit] : possible) {
    const double p = std::exp(logit) / sum;
    EXPECT_NEAR(counts[token], kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p)));
  }
}

TEST(Sampler, ATinyTemperatureIsGreedy) {
  for (const float temperature : {1e-6f, 1e-40f}) {
    for (uint64_t i = 0; i < 50; ++i) {
      const int32_t token = draw(plain(temperature), i).token;
      EXPECT_TRUE(token == 1 || token == 3) << token;
    }
  }
}

TEST(Sampler, LogSumExpIsThatOfDouble) {
  std::mt19937 random(4);
  for (const float spread : {.1f, 3.f, 20.f}) {
    std::normal_distribution<float> normal(5, spread);
    std::vector<float> logits(50257);
    for (float& logit : logits) logit = normal(random);
    const double highest = *std::ranges::max_element(logits);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit - highest);
    EXPECT_NEAR(log_sum_exp(logits), highest + std::log(sum), 2e-6) << spread;
  }
  const std::vector<float> none(5, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(log_sum_exp(none), none[0]);
}

TEST(Sampler, CutsLeaveOnlyTheLikeliestTokens) {
  Sampling top_k = plain(5);
  top_k.top_k = 2;
  Sampling top_p = plain(1);
  top_p.top_p = 0.5f;  // the two equal leaders hold .39 each
  Sampling min_p = plain(1);
  min_p.min_p = 0.9f;
  Sampling one = plain(1);
  one.top_p = 0;  // the likeliest always stays
  for (uint64_t i = 0; i < 300; ++i) {
    for (const Sampling& sampling : {top_k, top_p, min_p}) {
      const int32_t token = draw(sampling, i).token;
      EXPECT_TRUE(token == 1 || token == 3);
    }
    EXPECT_EQ(draw(one, i).token, 1);
  }
}

/// What the cuts leave, as their definitions read: the sorted vocabulary, its first top_k, of those
/// the ones at least min_p times the best and of those as many as hold top_p of the top_k's mass.
std::set<int32_t> left_by_definition(const std::vector<float>& logits, const Sampling& sampling) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto logit = [&](int32_t token) { return double{logits[static_cast<size_t>(token)]}; };
  std::ranges::stable_sort(order, std::greater(), logit);
  if (sampling.top_k > 0) order.resize(std::min<size_t>(order.size(), sampling.top_k));
  const auto probability = [&](int32_t token) {
    return std::exp((logit(token) - logit(order[0])) / sampling.temperature);
  };
  double sum = 0;
  for (const int32_t token : order) sum += probability(token);
  std::set<int32_t> left;
  double cumulative = 0;
  for (const int32_t token : order) {
    if (!left.empty() &&
        (cumulative >= double{sampling.top_p} * sum || probability(token) < double{sampling.min_p}))
      break;
    left.insert(token);
    cumulative += probability(token);
  }
  return left;
}

TEST(Sampler, DrawsEveryTokenThatTheCutsLeaveAndNoOther) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits(40);
  for (float& logit : logits) logit = normal(random);
  logits[7] = logits[9];  // a tie
  for (const int top_k : {0, 1, 12, 60}) {
    for (const float top_p : {1.f, .9f, .3f}) {
      for (const float min_p : {0.f, .1f, .6f}) {
        const Sampling sampling{
            .temperature = 3, .top_k = top_k, .top_p = top_p, .min_p = min_p, .seed = 5};
        std::set<int32_t> drawn;
        // The rarest of 40 tokens has about 1/1000 of the mass: it stays away with e^−30.
        for (uint64_t position = 0; position < 30000; ++position) {
          drawn.insert(choose(logits, sampling, {}, {}, 0, position));
        }
        EXPECT_EQ(drawn, left_by_definition(logits, sampling))
            << top_k << ", " << top_p << ", " << min_p;
      }
    }
  }
}

TEST(Sampler, MostProbableTokensAreThoseOfASortedVocabulary) {
  EXPECT_EQ(most_probable_tokens(kLogits, 3), (std::vector<int32_t>{1, 3, 2}));
  EXPECT_EQ(most_probable_tokens(kLogits, 9), (std::vector<int32_t>{1, 3, 2, 0, 4}));
  EXPECT_TRUE(most_probable_tokens(kLogits, 0).empty());
}

}  // namespace
}  // namespace octet::runtime

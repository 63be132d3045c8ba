// Attention's largest probability against a softmax written out in double precision.
#include "evaluate/outliers/attention_mass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace octet::evaluate {
namespace {

constexpr int64_t kRows = 20;

model::Architecture two_groups() {
  model::Architecture a;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 8;
  a.attention_scale = 0.35f;
  return a;
}

std::vector<float> random_heads(const model::Architecture& a) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(kRows * (a.query_size() + 2 * a.kv_size())));
  for (float& value : values) value = normal(random);
  return values;
}

double by_hand(const model::Architecture& a, const std::vector<float>& values) {
  const int64_t columns = a.query_size() + 2 * a.kv_size();
  double sum = 0;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t head = 0; head < a.heads; ++head) {
      std::vector<double> scores;
      for (int64_t j = 0; j <= row; ++j) {
        if (!a.layer_windows.empty() && j <= row - a.layer_windows[0]) continue;
        double score = 0;
        for (int64_t i = 0; i < a.head_dim; ++i) {
          score += static_cast<double>(values[row * columns + head * a.head_dim + i]) *
                   values[j * columns + a.query_size() + head / 2 * a.head_dim + i];
        }
        score *= static_cast<double>(a.attention_scale);
        if (a.attention_softcap > 0) {
          score = a.attention_softcap * std::tanh(score / a.attention_softcap);
        }
        if (!a.alibi_slopes.empty()) score += a.alibi_slopes[head] * static_cast<double>(j - row);
        scores.push_back(score);
      }
      double mass = 0;
      for (const double score : scores) mass += std::exp(score);
      sum += std::exp(*std::ranges::max_element(scores)) / mass;
    }
  }
  return sum / static_cast<double>(kRows * a.heads);
}

void expect_by_hand(const model::Architecture& a) {
  device::ThreadTeam team(2);
  const std::vector<float> values = random_heads(a);
  const double mean =
      top_attention(team, a, 0, {values.data(), kRows, a.query_size() + 2 * a.kv_size()});
  // A score of 8 float products and 8 sums, each below 30 in magnitude here, is off by at most
  // 16 · 2^-24 · 30 = 3e-5, its exponential by that share, and so is a quotient of two.
  EXPECT_NEAR(mean, by_hand(a, values), 6e-5);
}

TEST(TopAttention, IsTheLargestProbabilityOfEachRowAndHead) {
  expect_by_hand(two_groups());
}

TEST(TopAttention, SeesWindowsSlopesAndSoftCaps) {
  model::Architecture a = two_groups();
  a.layer_windows = {5};
  expect_by_hand(a);
  a.alibi_slopes = {0.5f, 0.25f, 0.125f, 0.0625f};
  expect_by_hand(a);
  a.attention_softcap = 2;
  expect_by_hand(a);
  a.layer_attention_scale = {0.7f};
  model::Architecture scaled = a;
  scaled.attention_scale = 0.7f;
  scaled.layer_attention_scale.clear();
  device::ThreadTeam team(1);
  const std::vector<float> values = random_heads(a);
  const tensor::MatrixView<const float> qkv = {values.data(), kRows, 64};
  EXPECT_EQ(top_attention(team, a, 0, qkv), top_attention(team, scaled, 0, qkv));
}

TEST(TopAttention, IsOneForASequenceOfOnePosition) {
  const model::Architecture a = two_groups();
  device::ThreadTeam team(1);
  const std::vector<float> values = random_heads(a);
  EXPECT_EQ(top_attention(team, a, 0, {values.data(), 1, 64}), 1);
}

}  // namespace
}  // namespace octet::evaluate

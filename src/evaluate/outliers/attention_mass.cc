// The softmax of attention scores, for its largest term only.
#include "evaluate/outliers/attention_mass.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace octet::evaluate {
namespace {

using tensor::MatrixView;

/// One head's part in attention.
struct Head {
  int64_t query_column;
  int64_t key_column;
  int64_t dimensions;
  float scale;
  float softcap;
  float slope;
  int64_t window;
};

/// Σ over rows of the largest probability, 1 / Σ exp(score − largest score).
double sum_of_tops(const Head& head, MatrixView<const float> qkv) {
  const int64_t rows = qkv.rows;
  // Dimension by dimension, so that the scores of many positions grow side by side.
  std::vector<float> keys(static_cast<size_t>(head.dimensions * rows));
  for (int64_t row = 0; row < rows; ++row) {
    const float* key = qkv.row(row) + head.key_column;
    for (int64_t i = 0; i < head.dimensions; ++i)
      keys[static_cast<size_t>(i * rows + row)] = key[i];
  }
  std::vector<float> scores(static_cast<size_t>(rows));
  double sum = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t first = head.window > 0 ? std::max<int64_t>(0, row - head.window + 1) : 0;
    std::fill(scores.begin() + first, scores.begin() + row + 1, 0.0f);
    for (int64_t i = 0; i < head.dimensions; ++i) {
      const float query = qkv.row(row)[head.query_column + i] * head.scale;
      const float* key = &keys[static_cast<size_t>(i * rows)];
      for (int64_t j = first; j <= row; ++j) scores[static_cast<size_t>(j)] += query * key[j];
    }
    for (int64_t j = first; j <= row; ++j) {
      float& score = scores[static_cast<size_t>(j)];
      if (head.softcap > 0) score = head.softcap * std::tanh(score / head.softcap);
      score += head.slope * static_cast<float>(j - row);
    }
    const float highest = *std::max_element(scores.begin() + first, scores.begin() + row + 1);
    double mass = 0;
    for (int64_t j = first; j <= row; ++j) {
      mass += static_cast<double>(std::exp(scores[static_cast<size_t>(j)] - highest));
    }
    sum += 1 / mass;
  }
  return sum;
}

}  // namespace

double top_attention(device::ThreadTeam& team, const model::Architecture& architecture,
                     int64_t layer, MatrixView<const float> qkv) {
  const model::Architecture& a = architecture;
  OCTET_CHECK(qkv.columns == a.query_size() + 2 * a.kv_size() && qkv.rows > 0);
  const auto at = static_cast<size_t>(layer);
  const int64_t group = a.heads / a.kv_heads;
  std::vector<double> sums(static_cast<size_t>(a.heads));
  team.for_each(a.heads, [&](int64_t head, int) {
    const auto h = static_cast<size_t>(head);
    sums[h] = sum_of_tops(
        {.query_column = head * a.head_dim,
         .key_column = a.query_size() + head / group * a.head_dim,
         .dimensions = a.head_dim,
         .scale = a.layer_attention_scale.empty() ? a.attention_scale : a.layer_attention_scale[at],
         .softcap = a.attention_softcap,
         .slope = a.alibi_slopes.empty() ? 0 : a.alibi_slopes[h],
         .window = a.layer_windows.empty() ? 0 : a.layer_windows[at]},
        qkv);
  });
  double sum = 0;
  for (const double of_head : sums) sum += of_head;
  return sum / static_cast<double>(a.heads * qkv.rows);
}

}  // namespace octet::evaluate

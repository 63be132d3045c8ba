// The feed-forward block of layers with experts: each row goes through the few its router chooses.
#include <algorithm>
#include <numeric>

#include "model/forward.h"
#include "model/rows.h"
#include "ops/simd/map.h"

namespace octet::model {

using tensor::MatrixView;

namespace {

/// Weights of all experts for one row: the softmax of the router's `count` largest logits (the
/// first of equal ones), 0 for the experts that are not chosen.
void choose_experts(MatrixView<float> logits, int64_t row, int64_t count, ops::MapFunction* map) {
  float* values = logits.row(row);
  std::vector<int64_t> order(static_cast<size_t>(logits.columns));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return values[a] > values[b]; });
  const float highest = values[order.front()];
  for (int64_t i = 0; i < count; ++i) values[order[static_cast<size_t>(i)]] -= highest;
  map({.function = ops::Elementary::exp, .x = values, .count = logits.columns, .out = values});
  for (size_t i = static_cast<size_t>(count); i < order.size(); ++i) values[order[i]] = 0;
  const float sum = std::accumulate(values, values + logits.columns, 0.0f);
  for (int64_t i = 0; i < logits.columns; ++i) values[i] /= sum;
}

/// Rows that go through one expert, and where each sequence's share of them begins.
struct Chosen {
  std::vector<int64_t> rows;
  std::vector<int64_t> calls;
};

Chosen rows_of(int64_t expert, MatrixView<const float> weights,
               const std::vector<int64_t>& slice_rows, bool all) {
  Chosen chosen;
  size_t slice = 0;
  for (int64_t row = 0; row < weights.rows; ++row) {
    for (; slice < slice_rows.size() && slice_rows[slice] == row; ++slice) {
      chosen.calls.push_back(std::ssize(chosen.rows));
    }
    if (all || weights.row(row)[expert] > 0) chosen.rows.push_back(row);
  }
  return chosen;
}

}  // namespace

void ForwardPass::mix_experts(const Layer& layer, MatrixView<float> x, int64_t index,
                              const PassObserver& observer) {
  const auto experts = static_cast<int32_t>(layer.experts.size());
  const Input routed = observed(observer, index, {LinearSlot::router}, {x});
  const MatrixView<float> weights = matrix(scratch_.expert_weights, x.rows, experts);
  apply(layer.router, routed, weights, nullptr, 0, index, name({LinearSlot::router}));
  const auto map = ops::choose(ops::map_kernels(), cpu_.features()).function;
  for_rows(cpu_, x.rows, 64 * experts, [&](int64_t row) {
    choose_experts(weights, row, architecture_.experts_per_token, map);
  });
  const MatrixView<float> mixed = matrix(scratch_.mixed, x.rows, x.columns);
  std::fill_n(mixed.data, x.rows * x.columns, 0.0f);
  // In rising order of the experts, so that a row's sum does not depend on the other rows.
  for (int32_t expert = 0; expert < experts; ++expert) {
    const Chosen chosen = rows_of(expert, weights, slice_rows_, observer.rows_for_every_expert);
    const int64_t count = std::ssize(chosen.rows);
    if (count == 0) continue;
    const MatrixView<float> gathered = matrix(scratch_.gathered, count, x.columns);
    for_rows(cpu_, count, x.columns, [&](int64_t i) {
      std::copy_n(x.row(chosen.rows[static_cast<size_t>(i)]), x.columns, gathered.row(i));
    });
    const LinearId up{LinearSlot::up, expert};
    const LinearId down{LinearSlot::down, expert};
    const FeedForward& feed_forward = layer.experts[static_cast<size_t>(expert)];
    const Input read = observed(observer, index, up, {gathered});
    Input inner = activated(feed_forward.up, read, index, up, chosen.calls);
    inner = observed(observer, index, down, inner);
    const MatrixView<float> computed = matrix(scratch_.computed, count, x.columns);
    apply(feed_forward.down, inner, computed, nullptr, 0, index, name(down), chosen.calls);
    for_rows(cpu_, count, x.columns, [&](int64_t i) {
      const int64_t row = chosen.rows[static_cast<size_t>(i)];
      const float weight = weights.row(row)[expert];
      float* sum = mixed.row(row);
      for (int64_t c = 0; c < x.columns; ++c) sum[c] += weight * computed.row(i)[c];
    });
  }
  add_to_hidden(mixed);
}

}  // namespace octet::model

// Queries, keys and values of a step's rows on a CPU: their places in the cache, and attention to
// the sequence itself or to an encoder's output.
#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "model/cpu_forward.h"
#include "model/rows.h"
#include "ops/attention/attention.h"

namespace octet::model {

using tensor::MatrixView;

namespace {

/// Rows × query heads of one attention task: enough to share the page, few enough to spread.
constexpr int64_t kAttentionTileRows = 64;

}  // namespace

void CpuForwardPass::plan_attention() {
  const int64_t group = architecture_.heads / architecture_.kv_heads;
  const int64_t tile = std::max<int64_t>(1, kAttentionTileRows / group);
  for (size_t s = 0; s < step_.slices.size(); ++s) {
    for (int64_t row = 0; row < step_.slices[s].rows; row += tile) {
      tiles_.push_back({static_cast<int64_t>(s), slice_rows_[s] + row,
                        std::min(tile, step_.slices[s].rows - row)});
    }
  }
}

void CpuForwardPass::rotary_angles() {
  const Rope& rope = architecture_.rope;
  const std::span<const float> frequencies =
      rope.frequencies(step_.context, scratch_.rope_frequencies);
  const int64_t pairs = rope.rotary_dim / 2;
  scratch_.cos.ensure(rows_ * pairs);
  scratch_.sin.ensure(rows_ * pairs);
  for_rows(cpu_, rows_, 16 * pairs, [&](int64_t row) {
    const size_t s = slice_of(row);
    const auto position = static_cast<float>(step_.slices[s].first_position + row - slice_rows_[s]);
    float* cos = &scratch_.cos[row * pairs];
    float* sin = &scratch_.sin[row * pairs];
    for (int64_t i = 0; i < pairs; ++i) {
      // The product in float, as the models were trained and as transformers computes it.
      const float angle = position * frequencies[static_cast<size_t>(i)];
      ops::cos_sin(angle, &cos[i], &sin[i]);
      cos[i] *= rope.attention_factor;
      sin[i] *= rope.attention_factor;
    }
  });
}

void CpuForwardPass::try_heads(const PassObserver& observer, const Layer& layer, int64_t index,
                               Input& x) {
  const MatrixView<float> whole = made(x);
  const MatrixView<float> tried = matrix(scratch_.observed, whole.rows, whole.columns);
  for (size_t trial = 0; trial < observer.trials.size(); ++trial) {
    for_rows(cpu_, whole.rows, whole.columns, [&](int64_t row) {
      std::copy_n(whole.row(row), whole.columns, tried.row(row));
      for (const int32_t column : observer.trials[trial]) tried.row(row)[column] = 0;
    });
    apply(layer.qkv, {tried}, qkv_, nullptr, 0, index, name({LinearSlot::qkv}));
    for_rows(cpu_, whole.rows, 2 * qkv_.columns, [&](int64_t row) { prepare_heads(layer, row); });
    observer.heads(index, trial, qkv_);
  }
}

void CpuForwardPass::prepare_heads(const Layer& layer, int64_t row) {
  const Architecture& a = architecture_;
  float* query = qkv_.row(row);
  if (a.qkv_clip > 0) {
    for (int64_t i = 0; i < qkv_.columns; ++i) {
      query[i] = std::clamp(query[i], -a.qkv_clip, a.qkv_clip);
    }
  }
  // Query and key heads lie side by side.
  normalise_heads(layer.query_norm, query, a.query_size());
  normalise_heads(layer.key_norm, query + a.query_size(), a.kv_size());
  if (a.positions != Positions::rope) return;
  const int64_t pairs = a.rope.rotary_dim / 2;
  rope_({.x = query,
         .heads = a.heads + a.kv_heads,
         .head_dim = a.head_dim,
         .rotary_dim = a.rope.rotary_dim,
         .interleaved = a.rope.interleaved,
         .cos = &scratch_.cos[row * pairs],
         .sin = &scratch_.sin[row * pairs]});
}

void CpuForwardPass::normalise_heads(const Norm& norm, float* x, int64_t size) {
  if (!norm.present()) return;
  const Architecture& a = architecture_;
  const int64_t piece = a.query_key_norm == QueryKeyNorm::head ? a.head_dim : size;
  for (int64_t first = 0; first < size; first += piece) {
    const int64_t weights = first % norm.weight.size();  // one for all heads, or one for each
    norm_({.x = x + first,
           .columns = piece,
           .weight = &norm.weight[weights],
           .bias = norm.bias.size() > 0 ? &norm.bias[weights] : nullptr,
           .weight_offset = a.norm_weight_offset,
           .epsilon = a.norm_epsilon,
           .subtract_mean = a.norm == NormKind::layer,
           .out = x + first});
  }
}

void CpuForwardPass::place_keys_and_values(const Layer& layer, int64_t index, int64_t cache_layer) {
  const Architecture& a = architecture_;
  std::atomic<bool> out_of_range{false};
  for_rows(cpu_, rows_, 2 * qkv_.columns, [&](int64_t row) {
    prepare_heads(layer, row);
    if (!write_cache(row, cache_layer, qkv_.row(row) + a.query_size())) {
      out_of_range.store(true, std::memory_order_relaxed);
    }
  });
  if (out_of_range.load()) fail_cache(index);
}

bool CpuForwardPass::write_cache(int64_t row, int64_t cache_layer, const float* keys) {
  const Architecture& a = architecture_;
  const size_t s = slice_of(row);
  const Slice& slice = step_.slices[s];
  const int64_t position = slice.first_position + row - slice_rows_[s];
  const int64_t page = slice.pages[position / ops::kPagePositions];
  bool fits = true;
  for (int64_t h = 0; h < a.kv_heads; ++h) {
    const float* key = keys + h * a.head_dim;
    fits &= ops::write_cache(cache_.layout(),
                             cache_.head(cache_layer, h) + page * cache_.page_bytes(cache_layer),
                             position % ops::kPagePositions, key, key + a.kv_size());
  }
  return fits;
}

void CpuForwardPass::place_source_keys_and_values(MatrixView<float> keys, int64_t index,
                                                  int64_t cache_layer) {
  std::atomic<bool> out_of_range{false};
  for_rows(cpu_, rows_, keys.columns, [&](int64_t row) {
    if (!write_cache(row, cache_layer, keys.row(row))) {
      out_of_range.store(true, std::memory_order_relaxed);
    }
  });
  if (out_of_range.load()) fail_cache(index);
}

void CpuForwardPass::attend(int64_t index, int64_t cache_layer, Sees sees) {
  const Architecture& a = architecture_;
  const auto kernel = ops::choose(ops::attention_kernels(), cpu_.features()).function;
  const int64_t group = a.heads / a.kv_heads;
  const float scale = a.layer_attention_scale.empty()
                          ? a.attention_scale
                          : a.layer_attention_scale[static_cast<size_t>(index)];
  const bool self = sees != Sees::source;
  const auto& position_bias =
      stack_ == Stack::encoder ? weights_.encoder_position_bias : weights_.position_bias;
  const int64_t bias_width = 2 * a.relative_reach + 1;
  const auto tiles = static_cast<int64_t>(tiles_.size());
  cpu_.team().for_each(tiles * a.kv_heads, [&](int64_t task, int) {
    // The last rows of a prompt see the most positions: start with them.
    const AttentionTile& tile = tiles_[static_cast<size_t>(tiles - 1 - task / a.kv_heads)];
    const int64_t kv_head = task % a.kv_heads;
    const Slice& slice = step_.slices[static_cast<size_t>(tile.slice)];
    const int64_t column = kv_head * group * a.head_dim;
    kernel({.q = qkv_.row(tile.first_row) + column,
            .q_stride = qkv_.stride,
            .out = attention_.row(tile.first_row) + column,
            .out_stride = attention_.stride,
            .rows = tile.rows,
            .first_position = slice.first_position + tile.first_row -
                              slice_rows_[static_cast<size_t>(tile.slice)],
            .heads = static_cast<int>(group),
            .layout = cache_.layout(),
            .cache = cache_.head(cache_layer, kv_head),
            .page_stride = cache_.page_bytes(cache_layer),
            .pages = self ? slice.pages : slice.source_pages,
            .scale = scale,
            .softcap = a.attention_softcap,
            .window = a.layer_windows.empty() ? 0 : a.layer_windows[static_cast<size_t>(index)],
            .slopes = a.alibi_slopes.empty() ? nullptr : &a.alibi_slopes[kv_head * group],
            .bias = self && position_bias.size() > 0 ? &position_bias[kv_head * group * bias_width]
                                                     : nullptr,
            .bias_reach = a.relative_reach,
            .positions = sees == Sees::earlier ? 0
                         : sees == Sees::slice ? slice.rows
                                               : slice.source_positions});
  });
}

}  // namespace octet::model

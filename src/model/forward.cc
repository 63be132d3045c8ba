// One pass over the layers for a step's rows, layer by layer.
#include "model/forward.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "model/rows.h"
#include "ops/activation/activation.h"
#include "ops/attention/attention.h"
#include "ops/simd/map.h"

namespace octet::model {

using tensor::MatrixView;

namespace {

/// Rows × query heads of one attention task: enough to share the page, few enough to spread.
constexpr int64_t kAttentionTileRows = 64;

}  // namespace

ForwardPass::ForwardPass(device::Cpu& cpu, const Architecture& architecture, const Weights& weights,
                         const Step& step, KvCache& cache, Scratch& scratch)
    : cpu_(cpu),
      architecture_(architecture),
      weights_(weights),
      step_(step),
      cache_(cache),
      scratch_(scratch),
      norm_(ops::choose(ops::norm_kernels(), cpu.features()).function),
      rope_(ops::choose(ops::rope_kernels(), cpu.features()).function),
      rows_(static_cast<int64_t>(step.tokens.size())) {
  const Architecture& a = architecture_;
  int64_t row = 0;
  for (const Slice& slice : step.slices) {
    OCTET_CHECK(slice.rows > 0);
    slice_rows_.push_back(row);
    row += slice.rows;
    const int64_t end = slice.first_position + slice.rows;
    if (a.has_position_table() && end > a.max_positions) {
      fail("position {} is past the {} positions this model has", end - 1, a.max_positions);
    }
  }
  OCTET_CHECK(row == rows_ && rows_ > 0);
  hidden_ = matrix(scratch.hidden, rows_, a.hidden_size);
  normed_ = matrix(scratch.normed, rows_, a.hidden_size);
  qkv_ = matrix(scratch.qkv, rows_, a.query_size() + 2 * a.kv_size());
  attention_ = matrix(scratch.attention, rows_, a.query_size());
  up_ = matrix(scratch.up, rows_, a.intermediate_size * (a.gated ? 2 : 1));
  plan_attention();
  if (a.positions == Positions::rope) rotary_angles();
}

void ForwardPass::plan_attention() {
  const int64_t group = architecture_.heads / architecture_.kv_heads;
  const int64_t tile = std::max<int64_t>(1, kAttentionTileRows / group);
  for (size_t s = 0; s < step_.slices.size(); ++s) {
    for (int64_t row = 0; row < step_.slices[s].rows; row += tile) {
      tiles_.push_back({static_cast<int64_t>(s), slice_rows_[s] + row,
                        std::min(tile, step_.slices[s].rows - row)});
    }
  }
}

void ForwardPass::rotary_angles() {
  const Rope& rope = architecture_.rope;
  const std::vector<float>& frequencies = rope.frequencies(step_.context);
  const int64_t pairs = rope.rotary_dim / 2;
  scratch_.cos.ensure(rows_ * pairs);
  scratch_.sin.ensure(rows_ * pairs);
  const auto slices = static_cast<int64_t>(step_.slices.size());
  for (int64_t s = 0; s < slices; ++s) {
    const Slice& slice = step_.slices[static_cast<size_t>(s)];
    const int64_t first = slice_rows_[static_cast<size_t>(s)];
    for_rows(cpu_, slice.rows, 16 * pairs, [&](int64_t r) {
      const auto position = static_cast<float>(slice.first_position + r);
      float* cos = &scratch_.cos[(first + r) * pairs];
      float* sin = &scratch_.sin[(first + r) * pairs];
      for (int64_t i = 0; i < pairs; ++i) {
        // The product in float, as the models were trained and as transformers computes it.
        const float angle = position * frequencies[static_cast<size_t>(i)];
        ops::cos_sin(angle, &cos[i], &sin[i]);
        cos[i] *= rope.attention_factor;
        sin[i] *= rope.attention_factor;
      }
    });
  }
}

void ForwardPass::embed() {
  const Architecture& a = architecture_;
  const bool projected = weights_.embedding_projection != nullptr;
  const MatrixView<float> embedded =
      projected ? matrix(scratch_.embedded, rows_, a.embedding_size) : hidden_;
  for (int32_t token : step_.tokens) {
    if (token < 0 || token >= a.vocabulary_size) {
      fail("token id {} is outside the vocabulary of {}", token, a.vocabulary_size);
    }
  }
  for_rows(cpu_, rows_, a.embedding_size, [&](int64_t row) {
    float* values = embedded.row(row);
    weights_.token_embedding->read_row(step_.tokens[static_cast<size_t>(row)], values);
    if (a.embedding_scale == 1) return;
    for (int64_t i = 0; i < a.embedding_size; ++i) values[i] *= a.embedding_scale;
  });
  if (projected) {
    apply(*weights_.embedding_projection, embedded, hidden_, nullptr, 0, -1,
          "embedding projection");
  }
  if (a.has_position_table()) add_positions();
  normalised(weights_.embedding_norm, hidden_, hidden_);
}

void ForwardPass::add_positions() {
  const Architecture& a = architecture_;
  for (size_t s = 0; s < step_.slices.size(); ++s) {
    const Slice& slice = step_.slices[s];
    for (int64_t r = 0; r < slice.rows; ++r) {
      const float* position =
          &weights_
               .position_embedding[(slice.first_position + r + a.position_offset) * a.hidden_size];
      float* hidden = hidden_.row(slice_rows_[s] + r);
      for (int64_t i = 0; i < a.hidden_size; ++i) hidden[i] += position[i];
    }
  }
}

MatrixView<float> ForwardPass::normalised(const Norm& norm, MatrixView<float> x,
                                          MatrixView<float> out) {
  if (!norm.present()) return x;
  for_rows(cpu_, x.rows, 4 * x.columns, [&](int64_t row) {
    norm_({.x = x.row(row),
           .columns = x.columns,
           .weight = norm.weight.data(),
           .bias = norm.bias.size() > 0 ? norm.bias.data() : nullptr,
           .weight_offset = architecture_.norm_weight_offset,
           .epsilon = architecture_.norm_epsilon,
           .subtract_mean = architecture_.norm == NormKind::layer,
           .out = out.row(row)});
  });
  return out;
}

void ForwardPass::apply(const linear::Linear& linear, MatrixView<const float> x,
                        MatrixView<float> out, const float* residual, int64_t residual_stride,
                        int64_t layer, std::string_view what, std::span<const int64_t> calls) {
  const int64_t bad = linear.forward(cpu_, x, out,
                                     {.activation_bits = step_.activation_bits,
                                      .calls = calls,
                                      .residual = residual,
                                      .residual_stride = residual_stride},
                                     scratch_.linear);
  if (bad < 0) return;
  const std::string where = layer < 0 ? std::string(what) : fmt::format("layer {} {}", layer, what);
  fail(
      "{}: the input of row {} is not finite (infinity or NaN); the checkpoint is damaged or "
      "needs --method fp32",
      where, bad);
}

void ForwardPass::layer(int64_t index, int64_t cache_layer, const InputObserver& observer) {
  const Layer& layer = weights_.layers[static_cast<size_t>(index)];
  attention_block(layer, index, cache_layer, observer);
  feed_forward_block(layer, index, observer);
}

void ForwardPass::add_to_hidden(MatrixView<const float> x) {
  for_rows(cpu_, x.rows, x.columns, [&](int64_t row) {
    float* hidden = hidden_.row(row);
    for (int64_t i = 0; i < x.columns; ++i) hidden[i] += x.row(row)[i];
  });
}

MatrixView<float> ForwardPass::block_input(const Norm& norm) {
  const bool pre = architecture_.norm_place == NormPlace::pre;
  return pre ? normalised(norm, hidden_, normed_) : hidden_;
}

void ForwardPass::add_block_output(const linear::Linear& linear, MatrixView<const float> x,
                                   const Norm& output_norm, const Norm& post_norm, int64_t layer,
                                   std::string_view what) {
  if (output_norm.present()) {
    apply(linear, x, normed_, nullptr, 0, layer, what);
    normalised(output_norm, normed_, normed_);
    add_to_hidden(normed_);
  } else {
    const MatrixView<float> residual = architecture_.residual_after_norm ? normed_ : hidden_;
    apply(linear, x, hidden_, residual.data, residual.stride, layer, what);
  }
  if (architecture_.norm_place == NormPlace::post) normalised(post_norm, hidden_, hidden_);
}

void ForwardPass::attention_block(const Layer& layer, int64_t index, int64_t cache_layer,
                                  const InputObserver& observer) {
  const MatrixView<float> x = block_input(layer.attention_norm);
  if (observer) observer(index, {LinearSlot::qkv}, x);
  apply(layer.qkv, x, qkv_, nullptr, 0, index, name({LinearSlot::qkv}));
  // A parallel feed-forward block reads what attention reads: take it before attention adds to it.
  if (architecture_.residual == Residual::parallel) block_input(layer.feed_forward_norm);
  place_keys_and_values(layer, index, cache_layer);
  attend(index, cache_layer);
  if (observer) observer(index, {LinearSlot::attention_output}, attention_);
  add_block_output(layer.attention_output, attention_, layer.attention_output_norm,
                   layer.attention_norm, index, name({LinearSlot::attention_output}));
}

void ForwardPass::prepare_heads(const Layer& layer, int64_t row) {
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

void ForwardPass::normalise_heads(const Norm& norm, float* x, int64_t size) {
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

void ForwardPass::place_keys_and_values(const Layer& layer, int64_t index, int64_t cache_layer) {
  const Architecture& a = architecture_;
  std::atomic<bool> out_of_range{false};
  for (size_t s = 0; s < step_.slices.size(); ++s) {
    const Slice& slice = step_.slices[s];
    for_rows(cpu_, slice.rows, 2 * qkv_.columns, [&](int64_t r) {
      const int64_t row = slice_rows_[s] + r;
      prepare_heads(layer, row);
      const float* key = qkv_.row(row) + a.query_size();
      const float* value = key + a.kv_size();
      const int64_t position = slice.first_position + r;
      const int64_t page = slice.pages[position / ops::kPagePositions];
      for (int64_t h = 0; h < a.kv_heads; ++h) {
        if (!ops::write_cache(
                cache_.layout(), cache_.head(cache_layer, h) + page * cache_.page_bytes(),
                position % ops::kPagePositions, key + h * a.head_dim, value + h * a.head_dim)) {
          out_of_range.store(true, std::memory_order_relaxed);
        }
      }
    });
  }
  if (out_of_range.load()) {
    fail(
        "layer {}: a key or value does not fit the 16-bit cache (or is not a number); use "
        "--method fp32",
        index);
  }
}

void ForwardPass::attend(int64_t index, int64_t cache_layer) {
  const Architecture& a = architecture_;
  const auto kernel = ops::choose(ops::attention_kernels(), cpu_.features()).function;
  const int64_t group = a.heads / a.kv_heads;
  const float scale = a.layer_attention_scale.empty()
                          ? a.attention_scale
                          : a.layer_attention_scale[static_cast<size_t>(index)];
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
            .page_stride = cache_.page_bytes(),
            .pages = slice.pages,
            .scale = scale,
            .softcap = a.attention_softcap,
            .window = a.layer_windows.empty() ? 0 : a.layer_windows[static_cast<size_t>(index)],
            .slopes = a.alibi_slopes.empty() ? nullptr : &a.alibi_slopes[kv_head * group]});
  });
}

void ForwardPass::feed_forward_block(const Layer& layer, int64_t index,
                                     const InputObserver& observer) {
  const Architecture& a = architecture_;
  const MatrixView<float> x =
      a.residual == Residual::sequential ? block_input(layer.feed_forward_norm) : normed_;
  if (!layer.experts.empty()) return mix_experts(layer, x, index, observer);
  if (observer) observer(index, {LinearSlot::up}, x);
  const MatrixView<float> inner = activated(layer.up, x, index, {LinearSlot::up}, slice_rows_);
  if (observer) observer(index, {LinearSlot::down}, inner);
  add_block_output(layer.down, inner, layer.feed_forward_output_norm, layer.feed_forward_norm,
                   index, name({LinearSlot::down}));
}

MatrixView<float> ForwardPass::activated(const linear::Linear& up, MatrixView<const float> x,
                                         int64_t index, LinearId id,
                                         std::span<const int64_t> calls) {
  const Architecture& a = architecture_;
  apply(up, x, up_.slice_rows(0, x.rows), nullptr, 0, index, name(id), calls);
  const auto activate = ops::choose(ops::activation_kernels(), cpu_.features()).function;
  for_rows(cpu_, x.rows, 8 * a.intermediate_size, [&](int64_t row) {
    float* values = up_.row(row);
    activate({.kind = a.activation,
              .x = values,
              .up = a.gated ? values + a.intermediate_size : nullptr,
              .columns = a.intermediate_size,
              .out = values});
  });
  return up_.slice_rows(0, x.rows).slice_columns(0, a.intermediate_size);
}

MatrixView<const float> ForwardPass::final_hidden() {
  const MatrixView<float> x = normalised(weights_.final_norm, hidden_, normed_);
  if (weights_.output_projection == nullptr) return x;
  const MatrixView<float> projected =
      matrix(scratch_.embedded, x.rows, architecture_.embedding_size);
  apply(*weights_.output_projection, x, projected, nullptr, 0, -1, "output projection");
  return projected;
}

void ForwardPass::logits(MatrixView<float> out) {
  OCTET_CHECK(out.rows == static_cast<int64_t>(step_.logit_rows.size()));
  if (out.rows == 0) return;
  // Only the wanted rows go on: gather them at the front. Rows ascend, so none is overwritten
  // before it is read. The slices move with them, for methods that depend on the whole call.
  std::vector<int64_t> calls;
  int64_t slice = -1;
  for (int64_t i = 0; i < out.rows; ++i) {
    const int64_t row = step_.logit_rows[static_cast<size_t>(i)];
    OCTET_CHECK(row >= i && row < rows_);
    const auto next = std::upper_bound(slice_rows_.begin(), slice_rows_.end(), row);
    if (const int64_t of_row = next - slice_rows_.begin(); of_row != slice) {
      slice = of_row;
      calls.push_back(i);
    }
    if (row != i) std::copy_n(hidden_.row(row), hidden_.columns, hidden_.row(i));
  }
  slice_rows_ = std::move(calls);
  rows_ = out.rows;
  hidden_.rows = normed_.rows = rows_;
  apply(*weights_.lm_head, final_hidden(), out, nullptr, 0, -1, "lm_head");
  if (architecture_.logit_softcap > 0) cap_logits(out);
}

void ForwardPass::cap_logits(MatrixView<float> logits) {
  const float cap = architecture_.logit_softcap;
  const auto map = ops::choose(ops::map_kernels(), cpu_.features()).function;
  for_rows(cpu_, logits.rows, logits.columns, [&](int64_t row) {
    float* values = logits.row(row);
    for (int64_t i = 0; i < logits.columns; ++i) values[i] /= cap;
    map({.function = ops::Elementary::tanh, .x = values, .count = logits.columns, .out = values});
    for (int64_t i = 0; i < logits.columns; ++i) values[i] *= cap;
  });
}

}  // namespace octet::model

// One pass over the layers for a step's rows, layer by layer.
#include "model/forward.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "model/rows.h"
#include "ops/attention/attention.h"
#include "ops/simd/map.h"

namespace octet::model {

using tensor::MatrixView;

ForwardPass::ForwardPass(device::Cpu& cpu, const Architecture& architecture, const Weights& weights,
                         const Step& step, KvCache& cache, Scratch& scratch, Stack stack)
    : cpu_(cpu),
      architecture_(architecture),
      weights_(weights),
      step_(step),
      cache_(cache),
      scratch_(scratch),
      stack_(stack),
      norm_(ops::choose(ops::norm_kernels(), cpu.features()).function),
      rope_(ops::choose(ops::rope_kernels(), cpu.features()).function),
      activation_(ops::choose(ops::activation_kernels(), cpu.features()).function),
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
    apply(*weights_.embedding_projection, {embedded}, hidden_, nullptr, 0, -1,
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
  for_rows(cpu_, x.rows, 4 * x.columns,
           [&](int64_t row) { normalise_row(norm, x.row(row), x.columns, out.row(row)); });
  return out;
}

void ForwardPass::normalise_row(const Norm& norm, const float* x, int64_t columns, float* out) {
  norm_({.x = x,
         .columns = columns,
         .weight = norm.weight.data(),
         .bias = norm.bias.size() > 0 ? norm.bias.data() : nullptr,
         .weight_offset = architecture_.norm_weight_offset,
         .epsilon = architecture_.norm_epsilon,
         .subtract_mean = architecture_.norm == NormKind::layer,
         .out = out});
}

ForwardPass::Input ForwardPass::block_input(const Norm& norm) {
  if (architecture_.norm_place != NormPlace::pre || !norm.present()) return {.rows = hidden_};
  return {.rows = normed_, .pending = Input::Pending::norm, .norm = &norm, .source = hidden_};
}

void ForwardPass::make_row(const Input& input, int64_t row) {
  const Architecture& a = architecture_;
  float* values = input.rows.row(row);
  if (input.pending == Input::Pending::norm) {
    normalise_row(*input.norm, input.source.row(row), input.rows.columns, values);
  } else if (input.pending == Input::Pending::activation) {
    activation_({.kind = a.activation,
                 .x = values,
                 .up = a.gated ? values + a.intermediate_size : nullptr,
                 .columns = a.intermediate_size,
                 .out = values});
  }
}

MatrixView<float> ForwardPass::made(Input& input) {
  if (input.pending != Input::Pending::nothing) {
    for_rows(cpu_, input.rows.rows, 4 * input.rows.columns,
             [&](int64_t row) { make_row(input, row); });
    input.pending = Input::Pending::nothing;
  }
  return input.rows;
}

ForwardPass::Input ForwardPass::observed(const PassObserver& observer, int64_t index, LinearId id,
                                         const Input& x) {
  if (!observer.input) return x;
  Input whole = x;
  const MatrixView<float> rows = made(whole);
  const MatrixView<float> own = matrix(scratch_.observed, rows.rows, rows.columns);
  for_rows(cpu_, rows.rows, rows.columns,
           [&](int64_t row) { std::copy_n(rows.row(row), rows.columns, own.row(row)); });
  observer.input(index, id, own);
  return {.rows = own};
}

std::string ForwardPass::place(int64_t layer) const {
  return fmt::format("{}layer {}", stack_ == Stack::encoder ? "encoder " : "", layer);
}

void ForwardPass::apply(const linear::Linear& linear, const Input& x, MatrixView<float> out,
                        const float* residual, int64_t residual_stride, int64_t layer,
                        std::string_view what, std::span<const int64_t> calls) {
  const auto make = [&](int64_t row) { make_row(x, row); };
  const device::FunctionRef<void(int64_t)> make_row = make;
  const int64_t bad =
      linear.forward(cpu_, x.rows, out,
                     {.activation_bits = step_.activation_bits,
                      .calls = calls,
                      .residual = residual,
                      .residual_stride = residual_stride,
                      .make_row = x.pending == Input::Pending::nothing ? nullptr : &make_row},
                     scratch_.linear);
  if (bad < 0) return;
  const std::string where =
      layer < 0 ? std::string(what) : fmt::format("{} {}", place(layer), what);
  fail(
      "{}: the input of row {} is not finite (infinity or NaN); the checkpoint is damaged or "
      "needs --method fp32",
      where, bad);
}

void ForwardPass::layer(int64_t index, int64_t cache_layer, const PassObserver& observer) {
  const Layer& layer = weights_.layers_of(stack_)[static_cast<size_t>(index)];
  attention_block(layer, index, cache_layer, observer);
  if (stack_ == Stack::decoder && architecture_.encoder_decoder()) {
    cross_attention_block(layer, index, cache_layer, observer);
  }
  feed_forward_block(layer, index, observer);
}

void ForwardPass::add_to_hidden(MatrixView<const float> x) {
  for_rows(cpu_, x.rows, x.columns, [&](int64_t row) {
    float* hidden = hidden_.row(row);
    for (int64_t i = 0; i < x.columns; ++i) hidden[i] += x.row(row)[i];
  });
}

void ForwardPass::add_block_output(const linear::Linear& linear, const Input& x,
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

void ForwardPass::feed_forward_block(const Layer& layer, int64_t index,
                                     const PassObserver& observer) {
  const Architecture& a = architecture_;
  Input x = a.residual == Residual::sequential ? block_input(layer.feed_forward_norm)
                                               : Input{.rows = normed_};
  if (!layer.experts.empty()) return mix_experts(layer, made(x), index, observer);
  const Input read = observed(observer, index, {LinearSlot::up}, x);
  Input inner = activated(layer.up, read, index, {LinearSlot::up}, slice_rows_);
  inner = observed(observer, index, {LinearSlot::down}, inner);
  add_block_output(layer.down, inner, layer.feed_forward_output_norm, layer.feed_forward_norm,
                   index, name({LinearSlot::down}));
}

ForwardPass::Input ForwardPass::activated(const linear::Linear& up, const Input& x, int64_t index,
                                          LinearId id, std::span<const int64_t> calls) {
  const MatrixView<float> out = up_.slice_rows(0, x.rows.rows);
  apply(up, x, out, nullptr, 0, index, name(id), calls);
  return {.rows = out.slice_columns(0, architecture_.intermediate_size),
          .pending = Input::Pending::activation};
}

MatrixView<float> ForwardPass::final_hidden() {
  const MatrixView<float> x = normalised(weights_.final_norm, hidden_, normed_);
  if (architecture_.head_scale != 1) {
    for_rows(cpu_, x.rows, x.columns, [&](int64_t row) {
      for (int64_t i = 0; i < x.columns; ++i) x.row(row)[i] *= architecture_.head_scale;
    });
  }
  if (weights_.output_projection == nullptr) return x;
  const MatrixView<float> projected =
      matrix(scratch_.embedded, x.rows, architecture_.embedding_size);
  apply(*weights_.output_projection, {x}, projected, nullptr, 0, -1, "output projection");
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
  apply(*weights_.lm_head, {final_hidden()}, out, nullptr, 0, -1, "lm_head");
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

// One pass over the layers for a step's rows, layer by layer.
#include "model/forward.h"

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace octet::model {

using tensor::MatrixView;

ForwardPass::ForwardPass(const Architecture& architecture, const Weights& weights, const Step& step,
                         Stack stack)
    : architecture_(architecture),
      weights_(weights),
      step_(step),
      stack_(stack),
      rows_(static_cast<int64_t>(step.tokens.size())) {
  int64_t row = 0;
  for (const Slice& slice : step.slices) {
    OCTET_CHECK(slice.rows > 0);
    slice_rows_.push_back(row);
    row += slice.rows;
    const int64_t end = slice.first_position + slice.rows;
    if (architecture.has_position_table() && end > architecture.max_positions) {
      fail("position {} is past the {} positions this model has", end - 1,
           architecture.max_positions);
    }
  }
  OCTET_CHECK(row == rows_ && rows_ > 0);
  for (int32_t token : step.tokens) {
    if (token < 0 || token >= architecture.vocabulary_size) {
      fail("token id {} is outside the vocabulary of {}", token, architecture.vocabulary_size);
    }
  }
}

void ForwardPass::embed() {
  const bool projected = weights_.embedding_projection != nullptr;
  const MatrixView<float> tokens = projected ? embedded(rows_) : hidden_;
  look_up_tokens(tokens);
  if (projected) {
    apply(*weights_.embedding_projection, {tokens}, hidden_, nullptr, 0, -1,
          "embedding projection");
  }
  if (architecture_.has_position_table()) add_positions();
  normalised(weights_.embedding_norm, hidden_, hidden_);
}

ForwardPass::Input ForwardPass::block_input(const Norm& norm) {
  if (architecture_.norm_place != NormPlace::pre || !norm.present()) return {.rows = hidden_};
  return {.rows = normed_, .pending = Input::Pending::norm, .norm = &norm, .source = hidden_};
}

std::string ForwardPass::place(int64_t layer) const {
  return fmt::format("{}layer {}", stack_ == Stack::encoder ? "encoder " : "", layer);
}

void ForwardPass::fail_input(int64_t layer, std::string_view what, int64_t row) const {
  const std::string where =
      layer < 0 ? std::string(what) : fmt::format("{} {}", place(layer), what);
  fail(
      "{}: the input of row {} is not finite (infinity or NaN); the checkpoint is damaged or "
      "needs --method fp32",
      where, row);
}

void ForwardPass::fail_cache(int64_t index) const {
  fail("{}: a key or value does not fit the 16-bit cache (or is not a number); use --method fp32",
       place(index));
}

void ForwardPass::layer(int64_t index, int64_t cache_layer, const PassObserver& observer) {
  const Layer& layer = weights_.layers_of(stack_)[static_cast<size_t>(index)];
  attention_block(layer, index, cache_layer, observer);
  if (stack_ == Stack::decoder && architecture_.encoder_decoder()) {
    cross_attention_block(layer, index, cache_layer, observer);
  }
  feed_forward_block(layer, index, observer);
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

void ForwardPass::attention_block(const Layer& layer, int64_t index, int64_t cache_layer,
                                  const PassObserver& observer) {
  Input x = block_input(layer.attention_norm);
  if (observer.heads) try_heads(observer, layer, index, x);
  if (architecture_.residual == Residual::parallel_shared || architecture_.residual_after_norm) {
    keep_made(x);
  }
  const Input read = observed(observer, index, {LinearSlot::qkv}, x);
  apply(layer.qkv, read, qkv_, nullptr, 0, index, name({LinearSlot::qkv}));
  // A parallel feed-forward block reads what attention reads: take it before attention adds to it.
  if (architecture_.residual == Residual::parallel) {
    Input parallel = block_input(layer.feed_forward_norm);
    made(parallel);
  }
  place_keys_and_values(layer, index, cache_layer);
  attend(index, cache_layer, stack_ == Stack::encoder ? Sees::slice : Sees::earlier);
  const Input heads = observed(observer, index, {LinearSlot::attention_output}, {attention_});
  add_block_output(layer.attention_output, heads, layer.attention_output_norm, layer.attention_norm,
                   index, name({LinearSlot::attention_output}));
}

void ForwardPass::cross_attention_block(const Layer& layer, int64_t index, int64_t cache_layer,
                                        const PassObserver& observer) {
  Input x = block_input(layer.cross_norm);
  x = observed(observer, index, {LinearSlot::cross_query}, x);
  apply(layer.cross_query, x, qkv_.slice_columns(0, architecture_.query_size()), nullptr, 0, index,
        name({LinearSlot::cross_query}));
  attend(index, cache_layer, Sees::source);
  const Input heads = observed(observer, index, {LinearSlot::cross_output}, {attention_});
  add_block_output(layer.cross_output, heads, Norm{}, layer.cross_norm, index,
                   name({LinearSlot::cross_output}));
}

void ForwardPass::feed_forward_block(const Layer& layer, int64_t index,
                                     const PassObserver& observer) {
  const Architecture& a = architecture_;
  Input x = a.residual == Residual::sequential ? block_input(layer.feed_forward_norm)
                                               : Input{.rows = normed_};
  if (!layer.experts.empty()) return mix_experts(layer, made(x), index, observer);
  if (architecture_.residual_after_norm) keep_made(x);
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

void ForwardPass::finish_source() {
  normalised(weights_.encoder_norm, hidden_, hidden_);
}

void ForwardPass::place_source(int64_t index, int64_t cache_layer, const PassObserver& observer) {
  const Layer& layer = weights_.layers[static_cast<size_t>(index)];
  const Input source = observed(observer, index, {LinearSlot::cross_key_value}, {hidden_});
  const MatrixView<float> keys = qkv_.slice_columns(0, 2 * architecture_.kv_size());
  apply(layer.cross_key_value, source, keys, nullptr, 0, index,
        name({LinearSlot::cross_key_value}));
  place_source_keys_and_values(keys, index, cache_layer);
}

MatrixView<float> ForwardPass::final_hidden() {
  const MatrixView<float> x = normalised(weights_.final_norm, hidden_, normed_);
  if (architecture_.head_scale != 1) scale(x, architecture_.head_scale);
  if (weights_.output_projection == nullptr) return x;
  const MatrixView<float> projected = embedded(x.rows);
  apply(*weights_.output_projection, {x}, projected, nullptr, 0, -1, "output projection");
  return projected;
}

void ForwardPass::logits(MatrixView<float> out) {
  OCTET_CHECK(out.rows == static_cast<int64_t>(step_.logit_rows.size()));
  if (out.rows == 0) return;
  // Only the wanted rows go on. The slices move with them, for methods that depend on the whole
  // call.
  std::vector<int64_t> calls;
  std::optional<size_t> slice;
  for (int64_t i = 0; i < out.rows; ++i) {
    const int64_t row = step_.logit_rows[static_cast<size_t>(i)];
    OCTET_CHECK(row >= i && row < rows_);
    if (const size_t of_row = slice_of(row); of_row != slice) {
      slice = of_row;
      calls.push_back(i);
    }
  }
  gather_logit_rows();
  slice_rows_ = std::move(calls);
  rows_ = out.rows;
  hidden_.rows = normed_.rows = rows_;
  apply(*weights_.lm_head, {final_hidden()}, out, nullptr, 0, -1, "lm_head");
  if (architecture_.logit_softcap > 0) cap_logits(out);
}

}  // namespace octet::model

// The operations of a forward pass on a GPU.
#include "model/cuda/gpu_forward.h"

#include <algorithm>

#include "base/error.h"
#include "ops/cuda/rows.h"
#include "ops/rope/rope.h"

namespace octet::model::cuda {

using tensor::MatrixView;

namespace {

/// No check failed.
constexpr unsigned long long kNoError = ~0ull;

std::vector<ops::cuda::AttentionTile> tiles_of(const Architecture& architecture, const Step& step) {
  const int64_t group = architecture.heads / architecture.kv_heads;
  std::vector<ops::cuda::AttentionTile> tiles;
  for (size_t s = 0; s < step.slices.size(); ++s) {
    for (int64_t pair = 0; pair < step.slices[s].rows * group; pair += ops::cuda::kAttentionPairs) {
      tiles.push_back({static_cast<int32_t>(s), static_cast<int32_t>(pair)});
    }
  }
  return tiles;
}

}  // namespace

GpuScratch::GpuScratch(const Architecture& architecture, int multiprocessors)
    : slopes(std::span<const float>(architecture.alibi_slopes), nullptr),
      linear(multiprocessors),
      error(1),
      host_error(1) {}

void GpuScratch::make_room(const GpuStepSizes& sizes, device::Stream stream) {
  const auto grow = [this](auto& array, int64_t size) { moved |= array.ensure(size); };
  grow(hidden, sizes.hidden);
  grow(normed, sizes.normed);
  grow(qkv, sizes.qkv);
  grow(attention, sizes.attention);
  grow(up, sizes.up);
  grow(embedded, sizes.embedded);
  grow(gathered, sizes.gathered);
  grow(logits, sizes.logits);
  grow(partial, sizes.partial);
  // Whoever counts leaves 0 behind.
  if (attention_counters.ensure(sizes.attention_counters)) {
    moved = true;
    device::zero_gpu(attention_counters.data(), attention_counters.bytes(), stream);
  }
  grow(cos, sizes.rotary);
  grow(sin, sizes.rotary);
  grow(step, sizes.step);
  grow(host_step, sizes.step);
}

int64_t GpuScratch::bytes() const {
  int64_t sum = 0;
  for (const auto* array : {&hidden, &normed, &qkv, &attention, &up, &embedded, &gathered, &logits,
                            &partial, &cos, &sin, &slopes}) {
    sum += array->bytes();
  }
  return sum + attention_counters.bytes() + step.bytes() + error.bytes() + linear.bytes();
}

GpuForwardPass::GpuForwardPass(device::Cpu& cpu, const Architecture& architecture,
                               const Weights& weights, const GpuWeights& gpu, const Step& step,
                               KvCache& cache, GpuScratch& scratch, device::Stream stream,
                               Stack stack, bool embeds)
    : ForwardPass(architecture, weights, step, stack),
      gpu_(gpu),
      cache_(cache),
      scratch_(scratch),
      stream_(stream),
      tiles_(tiles_of(architecture, step)),
      extent_(
          extent_of(architecture, step.slices, std::ssize(step.logit_rows), step.context, stack)),
      layout_(extent_),
      decode_(stack == Stack::decoder && extent_.single_rows && extent_.logit_rows == rows_) {
  OCTET_CHECK(std::ssize(tiles_) == extent_.tiles);
  const Architecture& a = architecture_;
  scratch.make_room(gpu_step_sizes(a, extent_, embeds), stream);
  const auto matrix = [&](device::GpuArray<float>& array, int64_t columns) {
    return MatrixView<float>{array.data(), rows_, columns};
  };
  hidden_ = matrix(scratch.hidden, a.hidden_size);
  normed_ = matrix(scratch.normed, a.hidden_size);
  qkv_ = matrix(scratch.qkv, a.query_size() + 2 * a.kv_size());
  attention_ = matrix(scratch.attention, a.query_size());
  up_ = matrix(scratch.up, a.intermediate_size * (a.gated ? 2 : 1));
  if (a.positions == Positions::rope) rotary_table(cpu);
}

void GpuForwardPass::rotary_table(device::Cpu& cpu) {
  const Rope& rope = architecture_.rope;
  const int64_t positions = extent_.rotary_positions;
  if (positions <= scratch_.rope_positions && step_.context == scratch_.rope_context) return;
  const std::span<const float> frequencies =
      rope.frequencies(step_.context, scratch_.rope_frequencies);
  const int64_t pairs = rope.rotary_dim / 2;
  tensor::Array<float> cos(positions * pairs);
  tensor::Array<float> sin(positions * pairs);
  cpu.team().for_each(positions, [&](int64_t position, int) {
    for (int64_t i = 0; i < pairs; ++i) {
      // The product in float, as the models were trained and as transformers computes it.
      const float angle = static_cast<float>(position) * frequencies[static_cast<size_t>(i)];
      const int64_t at = position * pairs + i;
      ops::cos_sin(angle, &cos[at], &sin[at]);
      cos[at] *= rope.attention_factor;
      sin[at] *= rope.attention_factor;
    }
  });
  device::synchronize(stream_);
  device::copy_to_gpu(scratch_.cos.data(), cos.data(), static_cast<int64_t>(cos.bytes()), stream_);
  device::copy_to_gpu(scratch_.sin.data(), sin.data(), static_cast<int64_t>(sin.bytes()), stream_);
  device::synchronize(stream_);
  scratch_.rope_positions = positions;
  scratch_.rope_context = step_.context;
}

void GpuForwardPass::send_step() {
  int32_t* to = scratch_.host_step.data();
  std::copy(step_.tokens.begin(), step_.tokens.end(), to + layout_.tokens);
  std::transform(step_.logit_rows.begin(), step_.logit_rows.end(), to + layout_.logit_rows,
                 [](int64_t row) { return static_cast<int32_t>(row); });
  for (int64_t s = 0; s < extent_.slices; ++s) {
    const Slice& slice = step_.slices[static_cast<size_t>(s)];
    const int64_t first = slice_rows_[static_cast<size_t>(s)];
    to[layout_.first_row + s] = static_cast<int32_t>(first);
    to[layout_.slice_rows + s] = static_cast<int32_t>(slice.rows);
    to[layout_.source_positions + s] = static_cast<int32_t>(slice.source_positions);
    for (int64_t r = 0; r < slice.rows; ++r) {
      to[layout_.slice + first + r] = static_cast<int32_t>(s);
      to[layout_.position + first + r] = static_cast<int32_t>(slice.first_position + r);
    }
    const int64_t pages = pages_for(slice.first_position + slice.rows);
    std::copy_n(slice.pages, pages, to + layout_.pages + s * extent_.page_stride);
    if (slice.source_pages != nullptr) {
      std::copy_n(slice.source_pages, pages_for(slice.source_positions),
                  to + layout_.source_pages + s * extent_.page_stride);
    }
  }
  for (size_t i = 0; i < tiles_.size(); ++i) {
    to[layout_.tiles + 2 * static_cast<int64_t>(i)] = tiles_[i].slice;
    to[layout_.tiles + 2 * static_cast<int64_t>(i) + 1] = tiles_[i].first_pair;
  }
  device::copy_to_gpu(scratch_.step.data(), to, layout_.size * 4, stream_);
  *scratch_.host_error.data() = kNoError;
  device::copy_to_gpu(scratch_.error.data(), scratch_.host_error.data(), 8, stream_);
}

void GpuForwardPass::send_hidden(MatrixView<const float> hidden) {
  scratch_.host_hidden.ensure(rows_ * hidden.columns);
  for (int64_t row = 0; row < rows_; ++row) {
    std::copy_n(hidden.row(row), hidden.columns,
                scratch_.host_hidden.data() + row * hidden.columns);
  }
  device::copy_to_gpu(hidden_.data, scratch_.host_hidden.data(),
                      rows_ * hidden.columns * int64_t{sizeof(float)}, stream_);
}

void GpuForwardPass::fail_check(unsigned long long mark,
                                const std::vector<CheckPlace>& places) const {
  const CheckPlace& place = places[static_cast<size_t>(mark >> 32)];
  if (place.what.empty()) fail_cache(place.layer);
  fail_input(place.layer, place.what, static_cast<int64_t>(mark & 0xffffffffu));
}

ops::cuda::StepRowsView GpuForwardPass::step_rows() const {
  return {.rows = rows_,
          .slice = of_step(layout_.slice),
          .position = of_step(layout_.position),
          .first_row = of_step(layout_.first_row),
          .slice_rows = of_step(layout_.slice_rows),
          .source_positions = of_step(layout_.source_positions),
          .pages = of_step(layout_.pages),
          .source_pages = of_step(layout_.source_pages),
          .page_stride = extent_.page_stride};
}

ops::cuda::CacheView GpuForwardPass::cache_view(int64_t cache_layer) const {
  return {.base = cache_.head(cache_layer, 0),
          .page_bytes = cache_.page_bytes(cache_layer),
          .head_bytes = cache_.layout().bytes(),
          .key_bytes = cache_.layout().key_bytes(),
          .type = cache_.layout().type};
}

ops::cuda::ErrorMark GpuForwardPass::check(int64_t layer, std::string_view what) {
  places_.push_back({layer, std::string(what)});
  return {scratch_.error.data(), static_cast<uint32_t>(places_.size() - 1)};
}

ops::cuda::RowSource GpuForwardPass::norm_source(const Norm& norm,
                                                 MatrixView<const float> x) const {
  const GpuNorm& weights = gpu_[norm];
  return {.kind = ops::cuda::RowSource::Kind::norm,
          .x = x.data,
          .stride = x.stride,
          .columns = x.columns,
          .weight = weights.weight.data(),
          .bias = weights.bias.data(),
          .weight_offset = architecture_.norm_weight_offset,
          .epsilon = architecture_.norm_epsilon,
          .subtract_mean = architecture_.norm == NormKind::layer};
}

ops::cuda::RowSource GpuForwardPass::source_of(const Input& input) const {
  if (input.pending == Input::Pending::norm) return norm_source(*input.norm, input.source);
  ops::cuda::RowSource source = {
      .x = input.rows.data, .stride = input.rows.stride, .columns = input.rows.columns};
  if (input.pending == Input::Pending::activation) {
    source.kind = ops::cuda::RowSource::Kind::activation;
    source.activation = architecture_.activation;
    source.gated = architecture_.gated;
  }
  return source;
}

MatrixView<float> GpuForwardPass::embedded(int64_t rows) {
  const int64_t columns = architecture_.embedding_size;
  return {scratch_.embedded.data(), rows, columns};
}

void GpuForwardPass::look_up_tokens(MatrixView<float> out) {
  const linear::GpuLinear& table = gpu_[*weights_.token_embedding];
  ops::cuda::embed_rows({.table = table.weights(),
                         .type = table.dtype(),
                         .stride = table.row_stride(),
                         .tokens = of_step(layout_.tokens),
                         .scale = architecture_.embedding_scale,
                         .rows = rows_,
                         .columns = out.columns,
                         .out = out.data},
                        stream_);
}

void GpuForwardPass::add_positions() {
  ops::cuda::add_positions(hidden_.data, gpu_.positions().data(), of_step(layout_.position),
                           architecture_.position_offset, rows_, hidden_.columns, stream_);
}

MatrixView<float> GpuForwardPass::normalised(const Norm& norm, MatrixView<float> x,
                                             MatrixView<float> out) {
  if (!norm.present()) return x;
  ops::cuda::make_rows(norm_source(norm, x), x.rows, out.data, out.stride, {}, stream_);
  return {out.data, x.rows, out.columns, out.stride};
}

MatrixView<float> GpuForwardPass::made(Input& input) {
  if (input.pending != Input::Pending::nothing) {
    ops::cuda::make_rows(source_of(input), input.rows.rows, input.rows.data, input.rows.stride, {},
                         stream_);
    input.pending = Input::Pending::nothing;
  }
  return input.rows;
}

void GpuForwardPass::apply(const linear::Linear& linear, const Input& x, MatrixView<float> out,
                           const float* residual, int64_t residual_stride, int64_t layer,
                           std::string_view what, std::span<const int64_t> /*calls*/) {
  gpu_[linear].forward({.source = source_of(x),
                        .rows = x.rows.rows,
                        .activation_bits = step_.activation_bits,
                        .residual = residual,
                        .residual_stride = residual_stride,
                        .out = out.data,
                        .out_stride = out.stride,
                        .error = check(layer, what)},
                       scratch_.linear, stream_);
}

void GpuForwardPass::place_keys_and_values(const Layer& layer, int64_t index, int64_t cache_layer) {
  const Architecture& a = architecture_;
  ops::cuda::PrepareHeads heads = {.step = step_rows(),
                                   .qkv = qkv_.data,
                                   .stride = qkv_.stride,
                                   .heads = static_cast<int>(a.heads),
                                   .kv_heads = static_cast<int>(a.kv_heads),
                                   .head_dim = static_cast<int>(a.head_dim),
                                   .clip = a.qkv_clip,
                                   .norm_heads = a.query_key_norm == QueryKeyNorm::head,
                                   .weight_offset = a.norm_weight_offset,
                                   .epsilon = a.norm_epsilon,
                                   .subtract_mean = a.norm == NormKind::layer,
                                   .cache = cache_view(cache_layer),
                                   .error = check(index, {})};
  if (layer.query_norm.present()) {
    heads.query_weight = gpu_[layer.query_norm].weight.data();
    heads.query_bias = gpu_[layer.query_norm].bias.data();
    heads.query_weights = layer.query_norm.weight.size();
  }
  if (layer.key_norm.present()) {
    heads.key_weight = gpu_[layer.key_norm].weight.data();
    heads.key_bias = gpu_[layer.key_norm].bias.data();
    heads.key_weights = layer.key_norm.weight.size();
  }
  if (a.positions == Positions::rope) {
    heads.rotary_dim = static_cast<int>(a.rope.rotary_dim);
    heads.interleaved = a.rope.interleaved;
    heads.cos = scratch_.cos.data();
    heads.sin = scratch_.sin.data();
  }
  ops::cuda::prepare_heads(heads, stream_);
}

void GpuForwardPass::place_source_keys_and_values(MatrixView<float> keys, int64_t index,
                                                  int64_t cache_layer) {
  ops::cuda::prepare_heads({.step = step_rows(),
                            .qkv = keys.data,
                            .stride = keys.stride,
                            .kv_heads = static_cast<int>(architecture_.kv_heads),
                            .head_dim = static_cast<int>(architecture_.head_dim),
                            .cache = cache_view(cache_layer),
                            .error = check(index, {})},
                           stream_);
}

void GpuForwardPass::attend(int64_t index, int64_t cache_layer, Sees sees) {
  using ops::cuda::StepAttention;
  const Architecture& a = architecture_;
  const bool self = sees != Sees::source;
  const auto layer = static_cast<size_t>(index);
  StepAttention attention = {
      .step = step_rows(),
      .tiles = reinterpret_cast<const ops::cuda::AttentionTile*>(of_step(layout_.tiles)),
      .tile_count = std::ssize(tiles_),
      .q = qkv_.data,
      .q_stride = qkv_.stride,
      .out = attention_.data,
      .out_stride = attention_.stride,
      .heads = static_cast<int>(a.heads),
      .kv_heads = static_cast<int>(a.kv_heads),
      .head_dim = static_cast<int>(a.head_dim),
      .cache = cache_view(cache_layer),
      .scale = a.layer_attention_scale.empty() ? a.attention_scale : a.layer_attention_scale[layer],
      .softcap = a.attention_softcap,
      .window = a.layer_windows.empty() ? 0 : a.layer_windows[layer],
      .slopes = scratch_.slopes.data(),
      .bias = self ? gpu_.position_bias(stack_).data() : nullptr,
      .bias_reach = a.relative_reach,
      .sees = sees == Sees::earlier ? StepAttention::Sees::earlier
              : sees == Sees::slice ? StepAttention::Sees::slice
                                    : StepAttention::Sees::source,
      .splits = extent_.splits,
      .partial = scratch_.partial.data(),
      .counters = scratch_.attention_counters.data()};
  ops::cuda::attention(attention, stream_);
}

void GpuForwardPass::mix_experts(const Layer&, MatrixView<float>, int64_t, const PassObserver&) {
  OCTET_CHECK(false);  // reason_against_gpu
}

void GpuForwardPass::add_to_hidden(MatrixView<const float> x) {
  ops::cuda::add(hidden_.data, x.data, x.rows * x.columns, stream_);
}

void GpuForwardPass::scale(MatrixView<float> x, float factor) {
  ops::cuda::scale(x.data, factor, x.rows * x.columns, stream_);
}

void GpuForwardPass::gather_logit_rows() {
  const auto count = static_cast<int64_t>(step_.logit_rows.size());
  if (count == rows_) return;
  float* gathered = scratch_.gathered.data();
  ops::cuda::gather_rows(hidden_.data, of_step(layout_.logit_rows), count, hidden_.columns,
                         gathered, stream_);
  hidden_ = {gathered, count, hidden_.columns};
}

void GpuForwardPass::cap_logits(MatrixView<float> logits) {
  ops::cuda::softcap(logits.data, architecture_.logit_softcap, logits.rows * logits.columns,
                     stream_);
}

}  // namespace octet::model::cuda

// Sizes of weights and of a step's buffers on a GPU.
#include "model/gpu_size.h"

#include <algorithm>
#include <array>
#include <bit>

#include "model/kv_cache.h"
#include "ops/attention/cuda.h"
#include "ops/cuda/layout.h"

namespace octet::model {

namespace {

int64_t power_of_two_from(int64_t value) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(value)));
}

}  // namespace

StepExtent extent_of(const Architecture& architecture, std::span<const Slice> slices,
                     int64_t logit_rows, int64_t context, Stack stack) {
  constexpr int64_t kFirstRotaryPositions = 1024;
  const int64_t group = architecture.heads / architecture.kv_heads;
  StepExtent extent = {.slices = std::ssize(slices),
                       .logit_rows = logit_rows,
                       .page_stride = std::max<int64_t>(1, pages_for(context)),
                       .single_rows = true};
  int64_t end = 1;
  int64_t longest = 0;
  for (const Slice& slice : slices) {
    extent.rows += slice.rows;
    extent.tiles +=
        (slice.rows * group + ops::cuda::kAttentionPairs - 1) / ops::cuda::kAttentionPairs;
    extent.single_rows &= slice.rows == 1;
    end = std::max(end, slice.first_position + slice.rows);
    longest = std::max(longest, slice.source_positions);
  }
  extent.sources = !slices.empty() && slices.front().source_positions > 0;
  if (extent.single_rows && stack == Stack::decoder) {
    longest = std::max(longest, end);
    extent.splits =
        power_of_two_from((longest + ops::cuda::kSplitPositions - 1) / ops::cuda::kSplitPositions);
  }
  if (architecture.positions == Positions::rope) {
    extent.rotary_positions = power_of_two_from(std::max(end, kFirstRotaryPositions));
  }
  return extent;
}

StepLayout::StepLayout(const StepExtent& extent) {
  int64_t at = 0;
  const auto place = [&at](int64_t count) {
    const int64_t here = at;
    at += (count + 3) / 4 * 4;
    return here;
  };
  tokens = place(extent.rows);
  slice = place(extent.rows);
  position = place(extent.rows);
  logit_rows = place(extent.logit_rows);
  first_row = place(extent.slices);
  slice_rows = place(extent.slices);
  source_positions = place(extent.slices);
  tiles = place(2 * extent.tiles);
  pages = place(extent.slices * extent.page_stride);
  source_pages = place(extent.sources ? extent.slices * extent.page_stride : 0);
  size = at;
}

namespace {

constexpr std::array kStepArrays = {
    &GpuStepSizes::hidden,   &GpuStepSizes::normed,
    &GpuStepSizes::qkv,      &GpuStepSizes::attention,
    &GpuStepSizes::up,       &GpuStepSizes::embedded,
    &GpuStepSizes::gathered, &GpuStepSizes::logits,
    &GpuStepSizes::partial,  &GpuStepSizes::attention_counters,
    &GpuStepSizes::rotary,   &GpuStepSizes::rotary,  // cosines and sines
    &GpuStepSizes::step};

}  // namespace

int64_t GpuStepSizes::bytes() const {
  int64_t elements = 0;
  for (const auto array : kStepArrays) elements += this->*array;
  return 4 * elements;
}

void GpuStepSizes::include(const GpuStepSizes& other) {
  for (const auto array : kStepArrays) this->*array = std::max(this->*array, other.*array);
}

GpuStepSizes gpu_step_sizes(const Architecture& a, const StepExtent& extent, bool embeds) {
  const int64_t rows = extent.rows;
  GpuStepSizes sizes = {
      .hidden = rows * a.hidden_size,
      .normed = rows * a.hidden_size,
      .qkv = rows * (a.query_size() + 2 * a.kv_size()),
      .attention = rows * a.query_size(),
      .up = rows * a.intermediate_size * (a.gated ? 2 : 1),
      .gathered = extent.logit_rows < rows ? extent.logit_rows * a.hidden_size : 0,
      .logits = std::max<int64_t>(1, extent.logit_rows * a.vocabulary_size),
      .partial = rows * a.heads * extent.splits * (a.head_dim + 2),
      .attention_counters = extent.splits > 0 ? extent.tiles * a.kv_heads : 0,
      .rotary = extent.rotary_positions * (a.rope.rotary_dim / 2),
      .step = StepLayout(extent).size};
  if (embeds && !a.names.embedding_projection.parts.empty())
    sizes.embedded = rows * a.embedding_size;
  if (!a.names.output_projection.parts.empty())
    sizes.embedded = std::max(sizes.embedded, extent.logit_rows * a.embedding_size);
  return sizes;
}

linear::GpuCallSizes gpu_call_sizes(const ModelShape& shape, const StepExtent& extent,
                                    int activation_bits, int64_t first_layer) {
  linear::GpuCallSizes sizes;
  const auto include = [&](const LinearShape& linear, int64_t rows) {
    sizes.include(linear::gpu_call_sizes(linear::gpu_layout(linear.shape, linear.precision),
                                         linear.precision, rows, activation_bits));
  };
  // The token embedding is looked up; only what follows it multiplies.
  for (size_t i = 1; i < shape.embeddings.size() && first_layer == 0; ++i)
    include(shape.embeddings[i], extent.rows);
  for (auto i = static_cast<size_t>(first_layer); i < shape.layers.size(); ++i) {
    for (const LinearShape& linear : shape.layers[i]) include(linear, extent.rows);
  }
  for (const LinearShape& linear : shape.head) include(linear, extent.logit_rows);
  return sizes;
}

int64_t gpu_fixed_bytes(const Architecture& architecture) {
  const auto slopes = std::ssize(architecture.alibi_slopes);
  return slopes * int64_t{sizeof(float)} + int64_t{sizeof(unsigned long long)} +
         linear::gpu_workspace_bytes();
}

ModelBytes gpu_packed_bytes(const ModelShape& shape) {
  return packed_bytes(shape, [](const LinearShape& linear) {
    return linear::gpu_layout(linear.shape, linear.precision).bytes();
  });
}

}  // namespace octet::model

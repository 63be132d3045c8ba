// A linear layer on a GPU: packed weights and the launches of a call.
#include "linear/cuda/gpu_linear.h"

#include <algorithm>

#include "base/error.h"
#include "ops/matmul32/cuda.h"

namespace octet::linear {

using device::GpuArray;
using ops::cuda::ProductEpilogue;

namespace {

/// Panels are copied and turned into rows so many bytes at a time.
constexpr int64_t kCopyBytes = int64_t{64} << 20;

template <typename T>
GpuArray<T> copied(const tensor::Shared<T>& shared, device::Stream stream) {
  return GpuArray<T>(std::span<const T>(shared.data(), static_cast<size_t>(shared.size())), stream);
}

/// Panels of `columns` outputs and `units` words of 4 bytes for each → rows.
void copy_panels(const void* panels, int64_t columns, int64_t units, GpuArray<std::byte>& staging,
                 void* rows, device::Stream stream) {
  const auto* from = static_cast<const std::byte*>(panels);
  auto* to = static_cast<std::byte*>(rows);
  const int64_t row_bytes = units * 4;
  const int64_t step = std::max<int64_t>(1, kCopyBytes / (16 * row_bytes)) * 16;
  staging.ensure(std::min(step, columns) * row_bytes);
  for (int64_t first = 0; first < columns; first += step) {
    const int64_t count = std::min(step, columns - first);
    device::copy_to_gpu(staging.data(), from + first * row_bytes, count * row_bytes, stream);
    ops::cuda::unpack_panels(reinterpret_cast<const uint32_t*>(staging.data()), count, units,
                             reinterpret_cast<uint32_t*>(to + first * row_bytes), stream);
    device::synchronize(stream);  // before the staging memory is written again
  }
}

}  // namespace

GpuWorkspace::GpuWorkspace(int multiprocessors)
    : multiprocessors_(multiprocessors),
      partial_(ops::cuda::kPartialBytes),
      counters_(ops::cuda::kCounters) {
  device::zero_gpu(counters_.data(), counters_.bytes(), nullptr);
  device::synchronize(nullptr);
}

void GpuWorkspace::make_room(const GpuCallSizes& sizes) {
  const auto grow = [this](auto& array, int64_t size) { moved |= array.ensure(size); };
  grow(codes, sizes.codes);
  grow(extra_codes, sizes.extra_codes);
  grow(extra_sums, sizes.extra_sums);
  grow(extra_slots, sizes.extra_slots);
  grow(factors, sizes.factors);
  grow(planes, sizes.planes);
  grow(made, sizes.made);
}

ops::cuda::ProductWorkspace GpuWorkspace::product() {
  return {.partial = partial_.data(),
          .partial_bytes = partial_.bytes(),
          .counters = counters_.data(),
          .counter_count = counters_.size(),
          .multiprocessors = multiprocessors_,
          .warpgroups = warpgroups};
}

int64_t GpuWorkspace::bytes() const {
  return codes.bytes() + extra_codes.bytes() + extra_sums.bytes() + extra_slots.bytes() +
         factors.bytes() + planes.bytes() + made.bytes() + partial_.bytes() + counters_.bytes();
}

namespace {

GpuLayout layout_of(const Linear& linear) {
  const LinearParts& parts = linear.parts();
  return gpu_layout({.outputs = parts.outputs,
                     .inputs = parts.inputs,
                     .bias = !parts.bias.empty(),
                     .sixteen_bit_columns = parts.kept_columns.size()},
                    linear.precision());
}

const void* panels_of(const LinearParts& parts, GpuKind kind) {
  switch (kind) {
    case GpuKind::int8:
      return parts.codes.data();
    case GpuKind::sixteen_bit:
      return parts.panels16.data();
    case GpuKind::thirty_two_bit:
      break;
  }
  return parts.panels32.data();
}

}  // namespace

GpuLinear::GpuLinear(const Linear& linear, GpuArray<std::byte>& staging, device::Stream stream)
    : layout_(layout_of(linear)),
      precision_(linear.precision()),
      sixteen_bit_(linear.parts().sixteen_bit),
      bias_(copied(linear.parts().bias, stream)) {
  const LinearParts& parts = linear.parts();
  OCTET_CHECK(!is_zeropoint(parts.method) && !has_tensor_wise_activations(parts.method));
  const int64_t columns = layout_.columns;
  if (layout_.kind == GpuKind::int8) {
    column_factors_ = GpuArray<float>(
        std::span<const float>(linear.column_factors(), static_cast<size_t>(columns)), stream);
  }
  weights_ = GpuArray<std::byte>(columns * layout_.row_bytes);
  copy_panels(panels_of(parts, layout_.kind), columns, layout_.row_bytes / 4, staging,
              weights_.data(), stream);
  if (layout_.kept == 0) return;
  kept_columns_ = copied(parts.kept_columns, stream);
  kept_mask_ = GpuArray<uint32_t>(
      std::span<const uint32_t>(linear.kept_mask(), static_cast<size_t>(layout_.inputs)), stream);
  kept_weights_ = GpuArray<uint16_t>(columns * layout_.kept_padded);
  copy_panels(parts.kept_panels.data(), columns, layout_.kept_padded / 2, staging,
              kept_weights_.data(), stream);
}

int64_t GpuLinear::bytes() const {
  return weights_.bytes() + column_factors_.bytes() + bias_.bytes() + kept_columns_.bytes() +
         kept_mask_.bytes() + kept_weights_.bytes();
}

tensor::DType GpuLinear::dtype() const {
  OCTET_CHECK(layout_.kind != GpuKind::int8);
  if (layout_.kind == GpuKind::thirty_two_bit) return tensor::DType::f32;
  return sixteen_bit_ == ops::SixteenBit::f16 ? tensor::DType::f16 : tensor::DType::bf16;
}

void GpuLinear::forward(const GpuLinearCall& call, GpuWorkspace& workspace,
                        device::Stream stream) const {
  OCTET_CHECK(call.source.columns == layout_.inputs);
  workspace.make_room(gpu_call_sizes(layout_, precision_, call.rows, call.activation_bits));
  const ProductEpilogue epilogue = {.bias = bias_.data(),
                                    .residual = call.residual,
                                    .residual_stride = call.residual_stride,
                                    .out = call.out,
                                    .out_stride = call.out_stride};
  switch (layout_.kind) {
    case GpuKind::int8:
      return forward_int8(call, epilogue, workspace, stream);
    case GpuKind::sixteen_bit:
      return forward_sixteen_bit(call, epilogue, workspace, stream);
    case GpuKind::thirty_two_bit:
      return forward_thirty_two_bit(call, workspace, stream);
  }
}

void GpuLinear::forward_int8(const GpuLinearCall& call, ProductEpilogue epilogue,
                             GpuWorkspace& workspace, device::Stream stream) const {
  const int64_t rows = call.rows;
  const int planes = gpu_planes(layout_, precision_, call.activation_bits);
  const bool extra = gpu_has_extra_rows(layout_, precision_, call.activation_bits);
  float* factors = workspace.factors.data();
  ops::cuda::QuantizeRows quantize = {.source = call.source,
                                      .rows = rows,
                                      .planes = planes,
                                      .threshold = extra ? precision_.threshold : 0,
                                      .column_mask = kept_mask_.data(),
                                      .k = layout_.k,
                                      .codes = workspace.codes.data(),
                                      .row_factors = factors,
                                      .kept = {},
                                      .error = call.error};
  if (layout_.kept > 0) {
    quantize.kept = {.columns = kept_columns_.data(),
                     .count = layout_.kept,
                     .padded = layout_.kept_padded,
                     .type = sixteen_bit_,
                     .planes = workspace.planes.data(),
                     .scales = factors + 2 * rows};
    epilogue.kept_a = quantize.kept.planes;
    epilogue.kept_b = kept_weights_.data();
    epilogue.kept_k = layout_.kept_padded;
    epilogue.kept_type = sixteen_bit_;
    epilogue.kept_scales = quantize.kept.scales;
  }
  if (extra) {
    int32_t* slots = workspace.extra_slots.data();
    quantize.extra_count = slots;
    quantize.extra_slots = slots + 4;
    quantize.extra_codes = workspace.extra_codes.data();
    quantize.extra_factors = factors + rows;
    device::zero_gpu(slots, 4, stream);
  }
  ops::cuda::quantize_rows(quantize, stream);
  epilogue.row_factors = quantize.row_factors;
  epilogue.column_factors = column_factors_.data();
  if (extra) {
    const int64_t stride = layout_.columns;
    int32_t* sums = workspace.extra_sums.data();
    ops::cuda::int8_product({.a = quantize.extra_codes,
                             .rows = rows,
                             .b = weights_.data(),
                             .k_bytes = layout_.row_bytes,
                             .columns = layout_.outputs,
                             .active_rows = quantize.extra_count,
                             .epilogue = {.out_stride = stride, .sums = sums},
                             .workspace = workspace.product()},
                            stream);
    epilogue.extra_slots = quantize.extra_slots;
    epilogue.extra_sums = sums;
    epilogue.extra_stride = stride;
    epilogue.extra_factors = quantize.extra_factors;
  }
  ops::cuda::int8_product({.a = quantize.codes,
                           .rows = rows,
                           .planes = planes,
                           .b = weights_.data(),
                           .k_bytes = layout_.row_bytes,
                           .columns = layout_.outputs,
                           .epilogue = epilogue,
                           .workspace = workspace.product()},
                          stream);
}

void GpuLinear::forward_sixteen_bit(const GpuLinearCall& call, ProductEpilogue epilogue,
                                    GpuWorkspace& workspace, device::Stream stream) const {
  const int64_t rows = call.rows;
  const int planes = gpu_planes(layout_, precision_, call.activation_bits);
  const ops::cuda::SixteenBitRows split = {.count = layout_.inputs,
                                           .padded = layout_.k,
                                           .type = sixteen_bit_,
                                           .plane_count = planes,
                                           .planes = workspace.planes.data(),
                                           .scales = workspace.factors.data()};
  ops::cuda::split_rows(call.source, rows, split, call.error, stream);
  epilogue.row_factors = split.scales;
  ops::cuda::sixteen_bit_product({.a = split.planes,
                                  .rows = rows,
                                  .planes = planes,
                                  .b = weights_.data(),
                                  .k_bytes = layout_.row_bytes,
                                  .columns = layout_.outputs,
                                  .epilogue = epilogue,
                                  .workspace = workspace.product()},
                                 sixteen_bit_, stream);
}

void GpuLinear::forward_thirty_two_bit(const GpuLinearCall& call, GpuWorkspace& workspace,
                                       device::Stream stream) const {
  float* made = workspace.made.data();
  ops::cuda::make_rows(call.source, call.rows, made, layout_.inputs, call.error, stream);
  ops::cuda::product32({.a = made,
                        .rows = call.rows,
                        .b = reinterpret_cast<const float*>(weights_.data()),
                        .k = layout_.k,
                        .columns = layout_.outputs,
                        .bias = bias_.data(),
                        .residual = call.residual,
                        .residual_stride = call.residual_stride,
                        .out = call.out,
                        .out_stride = call.out_stride},
                       stream);
}

}  // namespace octet::linear

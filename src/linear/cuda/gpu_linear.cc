// A linear layer on a GPU: packed weights and the launches of a call.
#include "linear/cuda/gpu_linear.h"

#include <algorithm>

#include "base/error.h"
#include "ops/matmul32/cuda.h"

namespace octet::linear {

using device::GpuArray;
using ops::cuda::code_rows;
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

GpuLinear::GpuLinear(const Linear& linear, GpuArray<std::byte>& staging, device::Stream stream)
    : inputs_(linear.inputs()),
      outputs_(linear.outputs()),
      precision_(linear.precision()),
      sixteen_bit_(linear.parts().sixteen_bit),
      bias_(copied(linear.parts().bias, stream)) {
  const LinearParts& parts = linear.parts();
  OCTET_CHECK(!is_zeropoint(parts.method) && !has_tensor_wise_activations(parts.method));
  const int64_t columns = ops::padded(outputs_, ops::kPanelColumns);
  const void* panels = nullptr;
  int64_t row_bytes = 0;
  if (is_int8(parts.method)) {
    kind_ = Kind::int8;
    k_ = ops::padded(inputs_, ops::kInt8KStep);
    row_bytes = k_;
    panels = parts.codes.data();
    column_factors_ = GpuArray<float>(
        std::span<const float>(linear.column_factors(), static_cast<size_t>(columns)), stream);
  } else if (parts.method == Method::fp32) {
    kind_ = Kind::thirty_two_bit;
    k_ = inputs_;
    row_bytes = k_ * 4;
    panels = parts.panels32.data();
  } else {
    kind_ = Kind::sixteen_bit;
    k_ = ops::padded(inputs_, ops::kMatmul16KStep);
    row_bytes = k_ * 2;
    panels = parts.panels16.data();
  }
  weights_ = GpuArray<std::byte>(columns * row_bytes);
  copy_panels(panels, columns, row_bytes / 4, staging, weights_.data(), stream);
  if (parts.kept_columns.empty()) return;
  kept_ = parts.kept_columns.size();
  kept_padded_ = ops::padded(kept_, ops::kMatmul16KStep);
  kept_columns_ = copied(parts.kept_columns, stream);
  kept_mask_ = GpuArray<uint32_t>(
      std::span<const uint32_t>(linear.kept_mask(), static_cast<size_t>(inputs_)), stream);
  kept_weights_ = GpuArray<uint16_t>(columns * kept_padded_);
  copy_panels(parts.kept_panels.data(), columns, kept_padded_ / 2, staging, kept_weights_.data(),
              stream);
}

int64_t GpuLinear::bytes() const {
  return weights_.bytes() + column_factors_.bytes() + bias_.bytes() + kept_columns_.bytes() +
         kept_mask_.bytes() + kept_weights_.bytes();
}

tensor::DType GpuLinear::dtype() const {
  OCTET_CHECK(kind_ != Kind::int8);
  if (kind_ == Kind::thirty_two_bit) return tensor::DType::f32;
  return sixteen_bit_ == ops::SixteenBit::f16 ? tensor::DType::f16 : tensor::DType::bf16;
}

void GpuLinear::forward(const GpuLinearCall& call, GpuWorkspace& workspace,
                        device::Stream stream) const {
  OCTET_CHECK(call.source.columns == inputs_);
  const ProductEpilogue epilogue = {.bias = bias_.data(),
                                    .residual = call.residual,
                                    .residual_stride = call.residual_stride,
                                    .out = call.out,
                                    .out_stride = call.out_stride};
  switch (kind_) {
    case Kind::int8:
      return forward_int8(call, epilogue, workspace, stream);
    case Kind::sixteen_bit:
      return forward_sixteen_bit(call, epilogue, workspace, stream);
    case Kind::thirty_two_bit:
      return forward_thirty_two_bit(call, workspace, stream);
  }
}

void GpuLinear::forward_int8(const GpuLinearCall& call, ProductEpilogue epilogue,
                             GpuWorkspace& workspace, device::Stream stream) const {
  const int64_t rows = call.rows;
  const bool two_planes = precision_.method == Method::llm_int8 && call.activation_bits == 16;
  const int planes = two_planes ? 2 : 1;
  const bool extra = !two_planes && decomposes(precision_);
  float* factors = workspace.room(workspace.factors, 3 * rows);
  ops::cuda::QuantizeRows quantize = {
      .source = call.source,
      .rows = rows,
      .planes = planes,
      .threshold = extra ? precision_.threshold : 0,
      .column_mask = kept_mask_.data(),
      .k = k_,
      .codes = workspace.room(workspace.codes, code_rows(rows, planes) * k_),
      .row_factors = factors,
      .kept = {},
      .error = call.error};
  if (kept_ > 0) {
    quantize.kept = {.columns = kept_columns_.data(),
                     .count = kept_,
                     .padded = kept_padded_,
                     .type = sixteen_bit_,
                     .planes = workspace.room(workspace.planes, code_rows(rows, 2) * kept_padded_),
                     .scales = factors + 2 * rows};
    epilogue.kept_a = quantize.kept.planes;
    epilogue.kept_b = kept_weights_.data();
    epilogue.kept_k = kept_padded_;
    epilogue.kept_type = sixteen_bit_;
    epilogue.kept_scales = quantize.kept.scales;
  }
  if (extra) {
    int32_t* slots = workspace.room(workspace.extra_slots, rows + 4);
    quantize.extra_count = slots;
    quantize.extra_slots = slots + 4;
    quantize.extra_codes = workspace.room(workspace.extra_codes, code_rows(rows, 1) * k_);
    quantize.extra_factors = factors + rows;
    device::zero_gpu(slots, 4, stream);
  }
  ops::cuda::quantize_rows(quantize, stream);
  epilogue.row_factors = quantize.row_factors;
  epilogue.column_factors = column_factors_.data();
  if (extra) {
    const int64_t stride = ops::cuda::rounded_up(outputs_, 16);
    int32_t* sums = workspace.room(workspace.extra_sums, rows * stride);
    ops::cuda::int8_product({.a = quantize.extra_codes,
                             .rows = rows,
                             .b = weights_.data(),
                             .k_bytes = k_,
                             .columns = outputs_,
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
                           .k_bytes = k_,
                           .columns = outputs_,
                           .epilogue = epilogue,
                           .workspace = workspace.product()},
                          stream);
}

void GpuLinear::forward_sixteen_bit(const GpuLinearCall& call, ProductEpilogue epilogue,
                                    GpuWorkspace& workspace, device::Stream stream) const {
  const int64_t rows = call.rows;
  // f16 holds what it is given in two planes; one would round the activations to 11 bits.
  const int planes = sixteen_bit_ == ops::SixteenBit::f16 ? 2 : precision_.sixteen_bit_planes;
  const ops::cuda::SixteenBitRows split = {
      .count = inputs_,
      .padded = k_,
      .type = sixteen_bit_,
      .plane_count = planes,
      .planes = workspace.room(workspace.planes, code_rows(rows, planes) * k_),
      .scales = workspace.room(workspace.factors, 3 * rows)};
  ops::cuda::split_rows(call.source, rows, split, call.error, stream);
  epilogue.row_factors = split.scales;
  ops::cuda::sixteen_bit_product({.a = split.planes,
                                  .rows = rows,
                                  .planes = planes,
                                  .b = weights_.data(),
                                  .k_bytes = k_ * 2,
                                  .columns = outputs_,
                                  .epilogue = epilogue,
                                  .workspace = workspace.product()},
                                 sixteen_bit_, stream);
}

void GpuLinear::forward_thirty_two_bit(const GpuLinearCall& call, GpuWorkspace& workspace,
                                       device::Stream stream) const {
  float* made = workspace.room(workspace.made, call.rows * inputs_);
  ops::cuda::make_rows(call.source, call.rows, made, inputs_, call.error, stream);
  ops::cuda::product32({.a = made,
                        .rows = call.rows,
                        .b = reinterpret_cast<const float*>(weights_.data()),
                        .k = k_,
                        .columns = outputs_,
                        .bias = bias_.data(),
                        .residual = call.residual,
                        .residual_stride = call.residual_stride,
                        .out = call.out,
                        .out_stride = call.out_stride},
                       stream);
}

}  // namespace octet::linear

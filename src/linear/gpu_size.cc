// The sizes of a linear layer's arrays on a GPU.
#include "linear/gpu_size.h"

#include <algorithm>

#include "ops/cuda/layout.h"
#include "ops/cuda/product.h"
#include "ops/int8_matmul/int8_matmul.h"

namespace octet::linear {

using ops::cuda::code_rows;

LayerBytes GpuLayout::bytes() const {
  LayerBytes bytes;
  if (bias) bytes.bias = columns * int64_t{sizeof(float)};
  const int64_t weights = columns * row_bytes;
  switch (kind) {
    case GpuKind::int8:
      bytes.codes = weights;
      bytes.columns = columns * int64_t{sizeof(float)};
      break;
    case GpuKind::sixteen_bit:
      bytes.sixteen_bit = weights;
      break;
    case GpuKind::thirty_two_bit:
      bytes.thirty_two_bit = weights;
      break;
  }
  if (kept > 0) {
    bytes.kept = columns * kept_padded * int64_t{sizeof(uint16_t)} +
                 kept * int64_t{sizeof(int32_t)} + inputs * int64_t{sizeof(uint32_t)};
  }
  return bytes;
}

GpuLayout gpu_layout(const LayerShape& shape, const Precision& precision) {
  GpuLayout layout = {.inputs = shape.inputs,
                      .outputs = shape.outputs,
                      .columns = ops::padded(shape.outputs, ops::kPanelColumns),
                      .bias = shape.bias};
  if (precision.method == Method::fp32) {
    layout.kind = GpuKind::thirty_two_bit;
    layout.k = shape.inputs;
    layout.row_bytes = layout.k * int64_t{sizeof(float)};
  } else if (is_int8(precision.method)) {
    layout.kind = GpuKind::int8;
    layout.k = ops::padded(shape.inputs, ops::kInt8KStep);
    layout.row_bytes = layout.k;
    layout.kept = keeps_columns(precision) ? shape.sixteen_bit_columns : 0;
    layout.kept_padded = ops::padded(layout.kept, ops::kMatmul16KStep);
  } else {
    layout.kind = GpuKind::sixteen_bit;
    layout.k = ops::padded(shape.inputs, ops::kMatmul16KStep);
    layout.row_bytes = layout.k * int64_t{sizeof(uint16_t)};
  }
  return layout;
}

int64_t GpuCallSizes::bytes() const {
  return codes + extra_codes + 2 * planes + 4 * (extra_sums + extra_slots + factors + made);
}

void GpuCallSizes::include(const GpuCallSizes& other) {
  codes = std::max(codes, other.codes);
  extra_codes = std::max(extra_codes, other.extra_codes);
  extra_sums = std::max(extra_sums, other.extra_sums);
  extra_slots = std::max(extra_slots, other.extra_slots);
  factors = std::max(factors, other.factors);
  planes = std::max(planes, other.planes);
  made = std::max(made, other.made);
}

int gpu_planes(const GpuLayout& layout, const Precision& precision, int activation_bits) {
  if (layout.kind == GpuKind::int8) {
    return precision.method == Method::llm_int8 && activation_bits == 16 ? 2 : 1;
  }
  // f16 holds what it is given in two planes; one would round the activations to 11 bits.
  return precision.method == Method::fp16 ? 2 : precision.sixteen_bit_planes;
}

bool gpu_has_extra_rows(const GpuLayout& layout, const Precision& precision, int activation_bits) {
  return layout.kind == GpuKind::int8 && decomposes(precision) &&
         gpu_planes(layout, precision, activation_bits) == 1;
}

GpuCallSizes gpu_call_sizes(const GpuLayout& layout, const Precision& precision, int64_t rows,
                            int activation_bits) {
  GpuCallSizes sizes;
  if (layout.kind == GpuKind::thirty_two_bit) {
    sizes.made = rows * layout.inputs;
    return sizes;
  }
  const int planes = gpu_planes(layout, precision, activation_bits);
  sizes.factors = 3 * rows;
  if (layout.kind == GpuKind::sixteen_bit) {
    sizes.planes = code_rows(rows, planes) * layout.k;
    return sizes;
  }
  sizes.codes = code_rows(rows, planes) * layout.k;
  sizes.planes = code_rows(rows, 2) * layout.kept_padded;
  if (gpu_has_extra_rows(layout, precision, activation_bits)) {
    sizes.extra_slots = rows + 4;
    sizes.extra_codes = code_rows(rows, 1) * layout.k;
    sizes.extra_sums = rows * layout.columns;
  }
  return sizes;
}

int64_t gpu_workspace_bytes() {
  return ops::cuda::kPartialBytes + ops::cuda::kCounters * int64_t{sizeof(uint32_t)};
}

}  // namespace octet::linear

// The sizes of packed layers and of workspaces, array by array.
#include "linear/size.h"

#include <algorithm>

#include "linear/outliers.h"
#include "ops/int8_matmul/int8_matmul.h"
#include "ops/matmul16/matmul16.h"

namespace octet::linear {

namespace {

constexpr int64_t kFloat = 4;  // bytes, of int32 as well
constexpr int64_t kHalf = 2;

int64_t panels16_bytes(int64_t padded_outputs, int64_t inputs) {
  return kHalf * padded_outputs * ops::padded(inputs, ops::kMatmul16KStep);
}

}  // namespace

LayerBytes& LayerBytes::operator+=(const LayerBytes& other) {
  codes += other.codes;
  columns += other.columns;
  kept += other.kept;
  sixteen_bit += other.sixteen_bit;
  thirty_two_bit += other.thirty_two_bit;
  bias += other.bias;
  return *this;
}

LayerBytes packed_bytes(const LayerShape& shape, const Precision& precision) {
  const int64_t n = ops::padded(shape.outputs, ops::kPanelColumns);
  LayerBytes bytes;
  if (shape.bias) bytes.bias = kFloat * n;
  if (precision.method == Method::fp32) {
    bytes.thirty_two_bit = kFloat * n * shape.inputs;
    return bytes;
  }
  if (!is_int8(precision.method) || finds_outlier_columns(precision)) {
    bytes.sixteen_bit = panels16_bytes(n, shape.inputs);
  }
  if (!is_int8(precision.method)) return bytes;
  bytes.codes = n * ops::padded(shape.inputs, ops::kInt8KStep);
  bytes.columns = (is_zeropoint(precision.method) ? 4 : 3) * kFloat * n;
  const int64_t kept = keeps_columns(precision) ? shape.sixteen_bit_columns : 0;
  if (kept > 0) {
    bytes.kept = panels16_bytes(n, kept) + kFloat * kept + kFloat * shape.inputs;
  }
  return bytes;
}

void CallBytes::include(const CallBytes& other) {
  row_scales = std::max(row_scales, other.row_scales);
  codes = std::max(codes, other.codes);
  planes = std::max(planes, other.planes);
  outlier_panels = std::max(outlier_panels, other.outlier_panels);
}

CallBytes call_bytes(const LayerShape& shape, const Precision& precision, int64_t rows) {
  CallBytes bytes;
  bytes.row_scales = rows * kFloat;
  if (precision.method == Method::fp32) return bytes;
  if (!is_int8(precision.method)) {
    bytes.planes = rows * precision.sixteen_bit_planes * kHalf *
                   ops::padded(shape.inputs, ops::kMatmul16KStep);
    return bytes;
  }
  bytes.row_scales = rows * (2 * kFloat + int64_t{sizeof(int64_t)});
  const bool batch = finds_outlier_columns(precision);
  const bool two_planes = precision.method == Method::llm_int8 && precision.activation_bits == 16;
  const bool extra_row = decomposes(precision) && !batch;
  bytes.codes =
      rows * (two_planes || extra_row ? 2 : 1) * ops::padded(shape.inputs, ops::kInt8KStep);
  const int64_t columns = keeps_columns(precision) || batch ? shape.sixteen_bit_columns : 0;
  bytes.planes = rows * 2 * kHalf * ops::padded(columns, ops::kMatmul16KStep);
  if (batch) {
    bytes.outlier_panels = panels16_bytes(ops::padded(shape.outputs, ops::kPanelColumns), columns) +
                           kFloat * shape.inputs;
  }
  return bytes;
}

}  // namespace octet::linear

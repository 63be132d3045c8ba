// The linear layer: packing by method, choosing the forward pass, reading rows back.
#include "linear/linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "linear/float_forward.h"
#include "linear/int8_forward.h"
#include "linear/pack.h"
#include "linear/stored_codes.h"
#include "linear/tiling.h"
#include "linear/zeropoint.h"

namespace octet::linear {

namespace {

constexpr int64_t kColumns = ops::kPanelColumns;

tensor::Shared<float> pack_bias(std::span<const float> bias, int64_t outputs,
                                std::string_view name) {
  if (bias.empty()) return {};
  OCTET_CHECK(std::ssize(bias) == outputs);
  if (!std::all_of(bias.begin(), bias.end(), [](float value) { return std::isfinite(value); })) {
    fail("{}: the bias holds infinity or NaN; the checkpoint is damaged", name);
  }
  tensor::Array<float> padded(ops::padded(outputs, kColumns));
  std::copy(bias.begin(), bias.end(), padded.begin());
  return tensor::Shared<float>(std::move(padded));
}

void pack_weights(const PackInput& input, const Precision& precision, LinearParts& parts) {
  switch (parts.method) {
    case Method::fp32:
      return pack_thirty_two_bit(input, parts);
    case Method::fp16:
      if (!pack_sixteen_bit(input, ops::SixteenBit::f16, parts)) {
        fail("{}: a weight is beyond 65504, the range of fp16; use --method bf16", input.name);
      }
      return;
    case Method::bf16:
      OCTET_CHECK(pack_sixteen_bit(input, ops::SixteenBit::bf16, parts));
      return;
    default:
      break;
  }
  pack_int8(input, parts);
  parts.sixteen_bit = input.source.sixteen_bit;
  if (decomposes(precision) && precision.outliers == OutlierMode::batch &&
      !pack_sixteen_bit(input, parts.sixteen_bit, parts)) {
    OCTET_CHECK(pack_sixteen_bit(input, ops::SixteenBit::bf16, parts));
  }
}

void require(bool condition, std::string_view what) {
  if (!condition) {
    fail("a packed linear layer's {} do not fit its shape; the checkpoint is damaged", what);
  }
}

/// What could make the product read outside of its memory, or not a number.
void check_parts(const LinearParts& parts, const Precision& precision) {
  require(parts.outputs > 0 && parts.inputs > 0, "extents");
  const int64_t n = ops::padded(parts.outputs, kColumns);
  const int64_t k16 = ops::padded(parts.inputs, ops::kMatmul16KStep);
  require(parts.bias.empty() || parts.bias.size() == n, "biases");
  if (parts.method == Method::fp32) {
    require(parts.panels32.size() == n * parts.inputs, "weights");
  } else if (!is_int8(parts.method)) {
    require(parts.panels16.size() == n * k16, "weights");
  } else {
    require(parts.inputs <= ops::kInt8MaxK, "extents");
    require(parts.codes.size() == n * ops::padded(parts.inputs, ops::kInt8KStep), "codes");
    require(parts.column_sums.size() == n, "column sums");
    require(parts.column_scales.size() == n, "scales");
    require(std::all_of(parts.column_scales.begin(), parts.column_scales.end(),
                        [](float c) { return c >= 0 && c <= kLargestActivation; }),
            "scales");
    require(parts.column_zeros.size() == (is_zeropoint(parts.method) ? n : 0), "zero points");
    if (decomposes(precision) && precision.outliers == OutlierMode::batch &&
        is_zeropoint(parts.method) && parts.panels16.empty()) {
      fail(
          "this int8 checkpoint has no 16-bit weights to take outlier columns from; use --outliers "
          "kept or token");
    }
    require(parts.panels16.empty() || parts.panels16.size() == n * k16, "16-bit weights");
  }
  const int64_t kept = parts.kept_columns.size();
  require(parts.kept_panels.size() == n * ops::padded(kept, ops::kMatmul16KStep), "kept columns");
  for (int64_t i = 0; i < kept; ++i) {
    const int32_t column = parts.kept_columns[i];
    require(column >= 0 && column < parts.inputs && (i == 0 || parts.kept_columns[i - 1] < column),
            "kept columns");
  }
}

}  // namespace

Linear Linear::pack(device::Cpu& cpu, const WeightSource& source, std::span<const float> bias,
                    const Precision& precision, std::string_view name) {
  OCTET_CHECK(source.outputs > 0 && source.inputs > 0);
  Linear linear;
  linear.precision_ = precision;
  linear.parts_.method = precision.method;
  linear.parts_.outputs = source.outputs;
  linear.parts_.inputs = source.inputs;
  const Kernels kernels = Kernels::choose(cpu.features());
  pack_weights({cpu, kernels, source, name}, precision, linear.parts_);
  linear.parts_.bias = pack_bias(bias, source.outputs, name);
  linear.prepare(cpu);
  return linear;
}

Linear Linear::pack_codes(device::Cpu& cpu, const CodeSource& source, std::span<const float> bias,
                          const Precision& precision, std::string_view name) {
  OCTET_CHECK(is_int8(precision.method) && !is_zeropoint(precision.method) &&
              !has_tensor_wise_weights(precision.method));
  LinearParts parts = pack_stored_codes(cpu, source, name);
  parts.method = precision.method;
  parts.bias = pack_bias(bias, source.outputs, name);
  return from_parts(cpu, std::move(parts), precision);
}

Linear Linear::from_parts(device::Cpu& cpu, LinearParts parts, const Precision& precision) {
  OCTET_CHECK(parts.method == precision.method);
  check_parts(parts, precision);
  Linear linear;
  linear.parts_ = std::move(parts);
  linear.precision_ = precision;
  if (!keeps_columns(precision)) {
    linear.parts_.kept_columns = {};
    linear.parts_.kept_panels = {};
  }
  linear.prepare(cpu);
  return linear;
}

void Linear::prepare(device::Cpu& cpu) {
  kernels_ = Kernels::choose(cpu.features());
  if (is_int8(parts_.method)) {
    const device::FlushDenormals flush;  // as every float of the layer is computed
    tensor::Array<float> factors(parts_.column_scales.size());
    for (int64_t n = 0; n < factors.size(); ++n) {
      factors[n] = parts_.column_scales[n] / ops::kOnePlaneMax;
    }
    column_factors_ = tensor::Shared<float>(std::move(factors));
  }
  set_kept_mask();
}

void Linear::set_kept_mask() {
  kept_mask_ = {};
  if (parts_.kept_columns.empty()) return;
  tensor::Array<uint32_t> mask(parts_.inputs);
  std::fill(mask.begin(), mask.end(), ~uint32_t{0});
  for (int32_t column : parts_.kept_columns) mask[column] = 0;
  kept_mask_ = tensor::Shared<uint32_t>(std::move(mask));
}

void Linear::keep_columns(device::Cpu& cpu, const WeightSource& source,
                          std::span<const int32_t> columns) {
  OCTET_CHECK(keeps_columns(precision_));
  OCTET_CHECK(source.outputs == parts_.outputs && source.inputs == parts_.inputs);
  OCTET_CHECK(std::adjacent_find(columns.begin(), columns.end(), std::greater_equal<>()) ==
              columns.end());
  OCTET_CHECK(columns.empty() || (columns.front() >= 0 && columns.back() < parts_.inputs));
  pack_kept_columns({cpu, kernels_, source, "kept columns"}, columns, parts_);
  set_kept_mask();
}

int64_t Linear::bytes() const {
  return static_cast<int64_t>(parts_.codes.bytes() + parts_.column_sums.bytes() +
                              parts_.column_scales.bytes() + parts_.column_zeros.bytes() +
                              parts_.kept_columns.bytes() + parts_.kept_panels.bytes() +
                              parts_.panels16.bytes() + parts_.panels32.bytes() +
                              parts_.bias.bytes() + column_factors_.bytes() + kept_mask_.bytes());
}

void Linear::make_rows(device::Cpu& cpu, tensor::MatrixView<const float> x, LinearCall& call) {
  if (call.make_row == nullptr) return;
  for_row_blocks(cpu, x.rows, x.columns, [&](int64_t first, int64_t count, int) {
    for (int64_t r = first; r < first + count; ++r) (*call.make_row)(r);
  });
  call.make_row = nullptr;
}

int64_t Linear::forward(device::Cpu& cpu, tensor::MatrixView<const float> x,
                        tensor::MatrixView<float> out, const LinearCall& call,
                        Workspace& workspace) const {
  OCTET_CHECK(x.columns == parts_.inputs && out.columns == parts_.outputs && x.rows == out.rows);
  if (x.rows == 0) return -1;
  if (!depends_on_call(precision_.method, precision_.outliers)) {
    return forward_call(cpu, x, out, call, workspace);
  }
  LinearCall made = call;
  make_rows(cpu, x, made);
  if (made.calls.size() <= 1) return forward_call(cpu, x, out, made, workspace);
  return forward_calls(cpu, x, out, made, workspace);
}

int64_t Linear::forward_calls(device::Cpu& cpu, tensor::MatrixView<const float> x,
                              tensor::MatrixView<float> out, const LinearCall& call,
                              Workspace& workspace) const {
  OCTET_CHECK(call.calls.front() == 0);
  int64_t first_bad = -1;
  for (size_t i = 0; i < call.calls.size(); ++i) {
    const int64_t first = call.calls[i];
    const int64_t end = i + 1 < call.calls.size() ? call.calls[i + 1] : x.rows;
    OCTET_CHECK(first <= end && end <= x.rows);
    if (first == end) continue;
    LinearCall one = call;
    one.calls = {};
    if (call.residual != nullptr) one.residual = call.residual + first * call.residual_stride;
    const int64_t bad = forward_call(cpu, x.slice_rows(first, end - first),
                                     out.slice_rows(first, end - first), one, workspace);
    if (bad >= 0 && first_bad < 0) first_bad = first + bad;
  }
  return first_bad;
}

int64_t Linear::forward_call(device::Cpu& cpu, tensor::MatrixView<const float> x,
                             tensor::MatrixView<float> out, const LinearCall& call,
                             Workspace& workspace) const {
  if (!is_int8(parts_.method)) return float_forward(cpu, *this, x, out, call, workspace);
  if (is_zeropoint(parts_.method)) {
    LinearCall made = call;
    make_rows(cpu, x, made);
    return zeropoint_forward(cpu, *this, x, out, made, workspace);
  }
  Int8Forward forward(cpu, *this, call, workspace);
  const int64_t first_bad = forward.row_maxima_and_codes(x);
  forward.multiply_and_finish(out);
  return first_bad;
}

int64_t Linear::row_maxima(device::Cpu& cpu, tensor::MatrixView<const float> x,
                           const LinearCall& call, Workspace& workspace) const {
  OCTET_CHECK(is_int8(parts_.method) && !is_zeropoint(parts_.method));
  OCTET_CHECK(x.columns == parts_.inputs);
  return Int8Forward(cpu, *this, call, workspace).row_maxima(x);
}

void Linear::multiply(device::Cpu& cpu, tensor::MatrixView<const float> x, const LinearCall& call,
                      Workspace& workspace) const {
  OCTET_CHECK(x.columns == parts_.inputs);
  Int8Forward forward(cpu, *this, call, workspace);
  forward.quantize(x);
  forward.multiply(x.rows);
}

void Linear::finish(device::Cpu& cpu, tensor::MatrixView<float> out, const LinearCall& call,
                    Workspace& workspace) const {
  OCTET_CHECK(out.columns == parts_.outputs);
  Int8Forward(cpu, *this, call, workspace).finish(out);
}

void Linear::drop_values() {
  parts_.codes.drop_values();
  parts_.column_sums.drop_values();
  parts_.column_scales.drop_values();
  parts_.column_zeros.drop_values();
  parts_.kept_panels.drop_values();
  parts_.panels16.drop_values();
  parts_.panels32.drop_values();
}

void Linear::read_row(int64_t n, float* out) const {
  OCTET_CHECK(n >= 0 && n < parts_.outputs && !is_int8(parts_.method));
  const int64_t panel = n / kColumns;
  const int64_t column = n % kColumns;
  if (parts_.method == Method::fp32) {
    const float* from = parts_.panels32.data() + panel * kColumns * parts_.inputs + column;
    for (int64_t k = 0; k < parts_.inputs; ++k) out[k] = from[k * kColumns];
    return;
  }
  const int64_t k16 = ops::padded(parts_.inputs, ops::kMatmul16KStep);
  const uint16_t* from = parts_.panels16.data() + panel * kColumns * k16 + column * 2;
  const bool f16 = parts_.sixteen_bit == ops::SixteenBit::f16;
  for (int64_t k = 0; k < parts_.inputs; ++k) {
    const uint16_t bits = from[k / 2 * kColumns * 2 + k % 2];
    out[k] = f16 ? f16_to_float(bits) : bf16_to_float(bits);
  }
}

}  // namespace octet::linear

// Finding, gathering and multiplying outlier columns.
#include "linear/outliers.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/half.h"

namespace octet::linear {

namespace {

/// Activations are split into two bfloat16 planes: 16 bits of mantissa.
constexpr int kPlanes = 2;

uint32_t magnitude_bits(float value) {
  return std::bit_cast<uint32_t>(value) & 0x7fffffffu;
}

/// mask[i] = 0 where some row reaches the threshold (or is NaN), else ~0, for columns
/// [first, end).
void mark_outliers(tensor::MatrixView<const float> x, float threshold, int64_t first, int64_t end,
                   uint32_t* mask) {
  std::fill(mask + first, mask + end, ~uint32_t{0});
  const uint32_t threshold_bits = magnitude_bits(threshold);
  for (int64_t r = 0; r < x.rows; ++r) {
    const float* row = x.row(r);
    for (int64_t i = first; i < end; ++i) {
      mask[i] &= magnitude_bits(row[i]) >= threshold_bits ? 0 : ~uint32_t{0};
    }
  }
}

/// Takes the outlier columns of one panel of [k32/2][16][2] into one of [padded/2][16][2].
void gather_panel(const uint16_t* panel, std::span<const int32_t> columns, int64_t padded_count,
                  uint16_t* out) {
  constexpr int64_t kPair = ops::kPanelColumns * 2;
  std::fill(out, out + padded_count * ops::kPanelColumns, uint16_t{0});
  for (int64_t i = 0; i < std::ssize(columns); ++i) {
    const int64_t k = columns[static_cast<size_t>(i)];
    const uint16_t* from = panel + k / 2 * kPair + k % 2;
    uint16_t* to = out + i / 2 * kPair + i % 2;
    for (int64_t n = 0; n < ops::kPanelColumns; ++n) to[n * 2] = from[n * 2];
  }
}

/// Takes them out of one int8 panel [k64/4][16][4]. A code has 8 significant bits, so bf16 holds
/// it.
void gather_codes(const int8_t* panel, std::span<const int32_t> columns, int64_t padded_count,
                  uint16_t* out) {
  std::fill(out, out + padded_count * ops::kPanelColumns, uint16_t{0});
  for (int64_t i = 0; i < std::ssize(columns); ++i) {
    const int64_t k = columns[static_cast<size_t>(i)];
    const int8_t* from = panel + k / 4 * 4 * ops::kPanelColumns + k % 4;
    uint16_t* to = out + i / 2 * 2 * ops::kPanelColumns + i % 2;
    for (int64_t n = 0; n < ops::kPanelColumns; ++n) {
      to[n * 2] =
          static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(from[n * 4])) >> 16);
    }
  }
}

}  // namespace

bool finds_outlier_columns(const Precision& precision) {
  return decomposes(precision) && precision.outliers == OutlierMode::batch;
}

SixteenBitColumns sixteen_bit_columns(const Linear& linear, const Workspace& workspace) {
  const LinearParts& parts = linear.parts();
  if (finds_outlier_columns(linear.precision())) {
    if (workspace.outlier_columns.empty()) return {};
    const bool from_codes = parts.panels16.empty();
    return {.columns = workspace.outlier_columns,
            .mask = workspace.column_mask.data(),
            .panels = workspace.outlier_panels.data(),
            .type = from_codes ? ops::SixteenBit::bf16 : parts.sixteen_bit,
            .factors = from_codes ? linear.column_factors() : nullptr};
  }
  if (parts.kept_columns.empty()) return {};
  return {.columns = {parts.kept_columns.data(), static_cast<size_t>(parts.kept_columns.size())},
          .mask = linear.kept_mask(),
          .panels = parts.kept_panels.data(),
          .type = parts.sixteen_bit};
}

void find_outlier_columns(device::Cpu& cpu, const Linear& linear, tensor::MatrixView<const float> x,
                          Workspace& workspace) {
  const LinearParts& parts = linear.parts();
  workspace.column_mask.ensure(x.columns);
  uint32_t* mask = workspace.column_mask.data();
  constexpr int64_t kColumnsPerTask = 512;
  cpu.team().for_each((x.columns + kColumnsPerTask - 1) / kColumnsPerTask, [&](int64_t task, int) {
    const int64_t first = task * kColumnsPerTask;
    mark_outliers(x, linear.precision().threshold, first,
                  std::min(x.columns, first + kColumnsPerTask), mask);
  });
  workspace.outlier_columns.clear();
  for (int64_t i = 0; i < x.columns; ++i) {
    if (mask[i] == 0) workspace.outlier_columns.push_back(static_cast<int32_t>(i));
  }
  if (workspace.outlier_columns.empty()) return;

  const int64_t padded_count =
      ops::padded(std::ssize(workspace.outlier_columns), ops::kMatmul16KStep);
  const int64_t panels = ops::padded(parts.outputs, ops::kPanelColumns) / ops::kPanelColumns;
  const int64_t panel_size = ops::padded(parts.inputs, ops::kMatmul16KStep) * ops::kPanelColumns;
  const int64_t code_panel_size = ops::padded(parts.inputs, ops::kInt8KStep) * ops::kPanelColumns;
  const int64_t out_size = padded_count * ops::kPanelColumns;
  workspace.outlier_panels.ensure(panels * out_size);
  cpu.team().for_each(panels, [&](int64_t panel, int) {
    uint16_t* out = workspace.outlier_panels.data() + panel * out_size;
    if (parts.panels16.empty()) {
      gather_codes(parts.codes.data() + panel * code_panel_size, workspace.outlier_columns,
                   padded_count, out);
    } else {
      gather_panel(parts.panels16.data() + panel * panel_size, workspace.outlier_columns,
                   padded_count, out);
    }
  });
}

tensor::MatrixView<const float> round_inputs(device::Cpu& cpu, tensor::MatrixView<const float> x,
                                             Workspace& workspace) {
  workspace.rounded.ensure(x.rows * x.columns);
  float* const rounded = workspace.rounded.data();
  const uint32_t* mask = workspace.column_mask.data();
  for_row_blocks(cpu, x.rows, x.columns, [&](int64_t first, int64_t count, int) {
    for (int64_t r = first; r < first + count; ++r) {
      const float* row = x.row(r);
      float* out = rounded + r * x.columns;
      for (int64_t i = 0; i < x.columns; ++i) {
        const float half = f16_to_float(float_to_f16(row[i]));
        out[i] = mask[i] != 0 && std::isfinite(half) ? half : row[i];
      }
    }
  });
  return {rounded, x.rows, x.columns};
}

bool in_range(const float* row, std::span<const int32_t> columns) {
  return std::all_of(columns.begin(), columns.end(), [&](int32_t column) {
    return std::fabs(row[column]) <= kLargestActivation;  // false for NaN
  });
}

void reserve_planes(const SixteenBitColumns& sixteen_bit, int64_t rows, int threads,
                    Workspace& workspace) {
  workspace.planes.ensure(rows * kPlanes * sixteen_bit.padded());
  workspace.gathered.ensure(threads * sixteen_bit.padded());
}

void split_columns(const Linear& linear, const SixteenBitColumns& sixteen_bit, const float* row,
                   int64_t r, int thread, Workspace& workspace) {
  float* gathered = workspace.gathered.data() + thread * sixteen_bit.padded();
  float* next = gathered;
  for (int32_t column : sixteen_bit.columns) *next++ = row[column];
  linear.kernels().split_planes(
      {.x = gathered,
       .columns = sixteen_bit.count(),
       .planes = kPlanes,
       .out = workspace.planes.data() + r * kPlanes * sixteen_bit.padded()});
}

void multiply_columns(const Linear& linear, const SixteenBitColumns& sixteen_bit, const Tile& tile,
                      const Workspace& workspace, float* out, int64_t stride) {
  const int64_t k = sixteen_bit.padded();
  linear.kernels().matmul16({.a = workspace.planes.data() + tile.row * kPlanes * k,
                             .a_stride = kPlanes * k,
                             .planes = kPlanes,
                             .rows = tile.rows(),
                             .k = k,
                             .b = sixteen_bit.panels + tile.panel * k * ops::kPanelColumns,
                             .b_type = sixteen_bit.type,
                             .panels = tile.panels(),
                             .c = out,
                             .c_stride = stride,
                             .k_used = sixteen_bit.count()});
  if (sixteen_bit.factors == nullptr) return;
  const float* factors = sixteen_bit.factors + tile.column();
  for (int64_t r = 0; r < tile.rows(); ++r) {
    for (int64_t n = 0; n < tile.columns(); ++n) out[r * stride + n] *= factors[n];
  }
}

}  // namespace octet::linear

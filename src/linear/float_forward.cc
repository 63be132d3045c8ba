// The 32-bit and 16-bit products with bias and residual.
#include "linear/float_forward.h"

#include <algorithm>

#include "linear/tiling.h"

namespace octet::linear {

namespace {

constexpr int64_t kColumns = ops::kPanelColumns;

/// Phase 1: finds rows that are not finite and, for 16-bit layers, splits x into planes.
int64_t prepare_rows(device::Cpu& cpu, const Linear& linear, tensor::MatrixView<const float> x,
                     const LinearCall& call, int planes, int64_t k, Workspace& workspace) {
  workspace.row_max.ensure(x.rows);
  workspace.planes.ensure(x.rows * planes * k);
  float* row_max = workspace.row_max.data();
  for_row_blocks(cpu, x.rows, x.columns, [&](int64_t first, int64_t count, int) {
    for (int64_t r = first; r < first + count; ++r) {
      if (call.make_row != nullptr) (*call.make_row)(r);
      linear.kernels().row_maxima(
          {.x = x.row(r), .rows = 1, .columns = x.columns, .row_max = row_max + r});
      if (planes == 0) continue;
      linear.kernels().split_planes({.x = x.row(r),
                                     .columns = x.columns,
                                     .planes = planes,
                                     .out = workspace.planes.data() + r * planes * k});
    }
  });
  const float* bad =
      std::find_if(row_max, row_max + x.rows, [](float c) { return !(c <= kLargestActivation); });
  return bad == row_max + x.rows ? -1 : bad - row_max;
}

/// out = product [+ bias] [+ residual], rounded in this order.
void finish_row(const float* product, const float* bias, const float* residual, int64_t columns,
                float* out) {
  for (int64_t n = 0; n < columns; ++n) {
    float y = product[n];
    if (bias != nullptr) y += bias[n];
    if (residual != nullptr) y += residual[n];
    out[n] = y;
  }
}

void finish_tile(const Linear& linear, const LinearCall& call, const Tile& tile,
                 const float* products, tensor::MatrixView<float> out) {
  const LinearParts& parts = linear.parts();
  const int64_t column = tile.column();
  for (int64_t r = tile.row; r < tile.row_end; ++r) {
    finish_row(products + (r - tile.row) * tile.columns(),
               parts.bias.empty() ? nullptr : parts.bias.data() + column,
               call.residual ? call.residual + r * call.residual_stride + column : nullptr,
               std::min(tile.columns(), linear.outputs() - column), out.row(r) + column);
  }
}

}  // namespace

int64_t float_forward(device::Cpu& cpu, const Linear& linear, tensor::MatrixView<const float> x,
                      tensor::MatrixView<float> out, const LinearCall& call, Workspace& workspace) {
  const LinearParts& parts = linear.parts();
  const bool wide = parts.method == Method::fp32;
  const int planes = wide ? 0 : linear.precision().sixteen_bit_planes;
  const int64_t k = wide ? parts.inputs : ops::padded(parts.inputs, ops::kMatmul16KStep);
  const int64_t first_bad = prepare_rows(cpu, linear, x, call, planes, k, workspace);

  const Tiling tiles(x.rows, 1, ops::padded(parts.outputs, kColumns) / kColumns, cpu.team().size());
  workspace.products.ensure(cpu.team().size() * tiles.elements());
  tiles.for_each(cpu, [&](const Tile& tile) {
    float* products = workspace.products.data() + tile.thread * tiles.elements();
    if (wide) {
      linear.kernels().matmul32({.a = x.row(tile.row),
                                 .a_stride = x.stride,
                                 .rows = tile.rows(),
                                 .k = k,
                                 .b = parts.panels32.data() + tile.column() * k,
                                 .panels = tile.panels(),
                                 .c = products,
                                 .c_stride = tile.columns()});
    } else {
      linear.kernels().matmul16({.a = workspace.planes.data() + tile.row * planes * k,
                                 .a_stride = planes * k,
                                 .planes = planes,
                                 .rows = tile.rows(),
                                 .k = k,
                                 .b = parts.panels16.data() + tile.column() * k,
                                 .b_type = parts.sixteen_bit,
                                 .panels = tile.panels(),
                                 .c = products,
                                 .c_stride = tile.columns()});
    }
    finish_tile(linear, call, tile, products, out);
  });
  return first_bad;
}

}  // namespace octet::linear

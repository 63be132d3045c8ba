// Row maxima, quantisation, int32 product and epilogue of the absmax int8 methods.
#include "linear/int8_forward.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace octet::linear {

namespace {

constexpr int64_t kColumns = ops::kPanelColumns;

bool takes_extra_rows(const Precision& precision, int planes) {
  return decomposes(precision) && precision.outliers != OutlierMode::batch && planes == 1;
}

}  // namespace

Int8Forward::Int8Forward(device::Cpu& cpu, const Linear& linear, const LinearCall& call,
                         Workspace& workspace)
    : cpu_(cpu),
      linear_(linear),
      call_(call),
      workspace_(workspace),
      planes_(linear.precision().method == Method::llm_int8 && call.activation_bits == 16 ? 2 : 1),
      rounds_(planes_ == 1 && finds_outlier_columns(linear.precision()) &&
              linear.parts().panels16.empty()),
      threshold_(takes_extra_rows(linear.precision(), planes_) ? linear.precision().threshold : 0),
      k_(ops::padded(linear.inputs(), ops::kInt8KStep)),
      panels_(ops::padded(linear.outputs(), kColumns) / kColumns) {
  OCTET_CHECK(call.activation_bits == 8 || call.activation_bits == 16);
}

void Int8Forward::row_maximum(const float* row, int64_t r,
                              const SixteenBitColumns& sixteen_bit) const {
  float* row_max = workspace_.row_max.data() + r;
  float* leftover_max = workspace_.leftover_max.data() + r;
  linear_.kernels().row_maxima({.x = row,
                                .rows = 1,
                                .columns = linear_.inputs(),
                                .column_mask = sixteen_bit.mask,
                                .threshold = threshold_,
                                .row_max = row_max,
                                .leftover_max = leftover_max});
  // Written so that NaN is out of range. One mark for all reasons: an infinite row_max.
  if (*row_max <= kLargestActivation && *leftover_max <= kLargestActivation &&
      in_range(row, sixteen_bit.columns)) {
    return;
  }
  *row_max = std::numeric_limits<float>::infinity();
  *leftover_max = 0;
}

int64_t Int8Forward::settle_maxima(int64_t rows) {
  float* row_max = workspace_.row_max.data();
  int64_t first_bad = -1;
  float call_max = 0;
  for (int64_t r = rows - 1; r >= 0; --r) {
    if (row_in_range(r)) {
      call_max = std::max(call_max, row_max[r]);
    } else {
      first_bad = r;
    }
  }
  if (has_tensor_wise_activations(linear_.precision().method)) {
    for (int64_t r = 0; r < rows; ++r) {
      if (row_in_range(r)) row_max[r] = call_max;
    }
  }
  return first_bad;
}

int64_t Int8Forward::row_maxima(tensor::MatrixView<const float> x) {
  if (finds_outlier_columns(linear_.precision())) {
    find_outlier_columns(cpu_, linear_, x, workspace_);
  }
  if (rounds_) x = round_inputs(cpu_, x, workspace_);
  workspace_.row_max.ensure(x.rows);
  workspace_.leftover_max.ensure(x.rows);
  const SixteenBitColumns sixteen_bit = sixteen_bit_columns(linear_, workspace_);
  for_row_blocks(cpu_, x.rows, x.columns, [&](int64_t first, int64_t count, int) {
    for (int64_t r = first; r < first + count; ++r) row_maximum(x.row(r), r, sixteen_bit);
  });
  return settle_maxima(x.rows);
}

void Int8Forward::place_code_rows(int64_t rows) {
  std::vector<int64_t>& first = workspace_.first_code_row;
  first.resize(static_cast<size_t>(rows) + 1);
  first[0] = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const bool second = planes_ == 2 || (threshold_ > 0 && workspace_.leftover_max[r] > 0);
    first[static_cast<size_t>(r) + 1] = first[static_cast<size_t>(r)] + (second ? 2 : 1);
  }
}

void Int8Forward::quantize_row(const float* row, int64_t r, int thread) const {
  const SixteenBitColumns sixteen_bit = sixteen_bit_columns(linear_, workspace_);
  const int64_t code_row = workspace_.first_code_row[static_cast<size_t>(r)];
  const int64_t code_rows = workspace_.first_code_row[static_cast<size_t>(r) + 1] - code_row;
  int8_t* codes = workspace_.codes.data() + code_row * k_;
  if (!row_in_range(r)) {  // its output means nothing, but must not come from conversions of NaN
    std::memset(codes, 0, static_cast<size_t>(code_rows * k_));
  } else {
    linear_.kernels().quantize_row({.x = row,
                                    .columns = linear_.inputs(),
                                    .padded_columns = k_,
                                    .column_mask = sixteen_bit.mask,
                                    .threshold = threshold_,
                                    .planes = planes_,
                                    .row_max = workspace_.row_max[r],
                                    .leftover_max = workspace_.leftover_max[r],
                                    .codes = codes,
                                    .second = code_rows == 2 ? codes + k_ : nullptr});
  }
  if (sixteen_bit.count() > 0) {
    split_columns(linear_, sixteen_bit, row, r, thread, workspace_);
  }
}

void Int8Forward::reserve_codes(int64_t rows) {
  place_code_rows(rows);
  workspace_.codes.ensure(workspace_.first_code_row.back() * k_);
  reserve_planes(sixteen_bit_columns(linear_, workspace_), rows, cpu_.team().size(), workspace_);
}

void Int8Forward::quantize(tensor::MatrixView<const float> x) {
  if (rounds_) x = {workspace_.rounded.data(), x.rows, x.columns};
  reserve_codes(x.rows);
  for_row_blocks(cpu_, x.rows, x.columns, [&](int64_t first, int64_t count, int thread) {
    for (int64_t r = first; r < first + count; ++r) quantize_row(x.row(r), r, thread);
  });
}

int64_t Int8Forward::row_maxima_and_codes(tensor::MatrixView<const float> x) {
  if (finds_outlier_columns(linear_.precision()) ||
      has_tensor_wise_activations(linear_.precision().method)) {
    OCTET_CHECK(call_.make_row == nullptr);  // these look at all rows at once
    const int64_t first_bad = row_maxima(x);
    quantize(x);
    return first_bad;
  }
  workspace_.row_max.ensure(x.rows);
  workspace_.leftover_max.ensure(x.rows);
  // Which rows get an extra row is known when all maxima are; two planes are always there.
  const bool at_once = threshold_ == 0;
  if (at_once) reserve_codes(x.rows);
  const SixteenBitColumns sixteen_bit = sixteen_bit_columns(linear_, workspace_);
  for_row_blocks(cpu_, x.rows, x.columns, [&](int64_t first, int64_t count, int thread) {
    for (int64_t r = first; r < first + count; ++r) {
      if (call_.make_row != nullptr) (*call_.make_row)(r);
      row_maximum(x.row(r), r, sixteen_bit);
      if (at_once) quantize_row(x.row(r), r, thread);
    }
  });
  if (!at_once) quantize(x);
  return settle_maxima(x.rows);
}

Tiling Int8Forward::tiling(int64_t rows) const {
  const bool seconds = workspace_.first_code_row[static_cast<size_t>(rows)] > rows;
  return Tiling(rows, seconds ? 2 : 1, panels_, cpu_.team().size());
}

void Int8Forward::multiply_tile(const Tile& tile, const Sums& to) const {
  const LinearParts& parts = linear_.parts();
  const int64_t first = workspace_.first_code_row[static_cast<size_t>(tile.row)];
  const int64_t end = workspace_.first_code_row[static_cast<size_t>(tile.row_end)];
  linear_.kernels().int8_matmul({.a = workspace_.codes.data() + first * k_,
                                 .a_stride = k_,
                                 .rows = end - first,
                                 .k = k_,
                                 .b = parts.codes.data() + tile.panel * k_ * kColumns,
                                 .column_sums = parts.column_sums.data() + tile.column(),
                                 .panels = tile.panels(),
                                 .c = to.sums,
                                 .c_stride = to.stride});
  if (to.products != nullptr) {
    multiply_columns(linear_, sixteen_bit_columns(linear_, workspace_), tile, workspace_,
                     to.products, to.stride);
  }
}

void Int8Forward::finish_tile(const Tile& tile, const Sums& from,
                              tensor::MatrixView<float> out) const {
  const LinearParts& parts = linear_.parts();
  const std::vector<int64_t>& first_code_row = workspace_.first_code_row;
  const int64_t column = tile.column();
  const int64_t first = first_code_row[static_cast<size_t>(tile.row)];
  const float code_max = planes_ == 2 ? ops::kTwoPlanesMax : ops::kOnePlaneMax;
  for (int64_t r = tile.row; r < tile.row_end; ++r) {
    const int64_t code_row = first_code_row[static_cast<size_t>(r)];
    const bool second = first_code_row[static_cast<size_t>(r) + 1] - code_row == 2;
    const int32_t* sums = from.sums + (code_row - first) * from.stride;
    linear_.kernels().epilogue(
        {.planes = planes_,
         .sums = sums,
         .second = second ? sums + from.stride : nullptr,
         .row_factor = workspace_.row_max[r] / code_max,
         .second_factor = workspace_.leftover_max[r] / code_max,
         .column_factors = linear_.column_factors() + column,
         .kept = from.products ? from.products + (r - tile.row) * from.stride : nullptr,
         .bias = parts.bias.empty() ? nullptr : parts.bias.data() + column,
         .residual = call_.residual ? call_.residual + r * call_.residual_stride + column : nullptr,
         .columns = std::min(tile.columns(), linear_.outputs() - column),
         .out = out.row(r) + column});
  }
}

Int8Forward::Sums Int8Forward::whole(const Tile& tile) const {
  const int64_t stride = panels_ * kColumns;
  const int64_t code_row = workspace_.first_code_row[static_cast<size_t>(tile.row)];
  const bool sixteen_bit = sixteen_bit_columns(linear_, workspace_).count() > 0;
  return {.sums = workspace_.sums.data() + code_row * stride + tile.column(),
          .products = sixteen_bit ? workspace_.products.data() + tile.row * stride + tile.column()
                                  : nullptr,
          .stride = stride};
}

void Int8Forward::multiply(int64_t rows) {
  const int64_t stride = panels_ * kColumns;
  workspace_.sums.ensure(workspace_.first_code_row[static_cast<size_t>(rows)] * stride);
  workspace_.products.ensure(rows * stride);
  tiling(rows).for_each(cpu_, [&](const Tile& tile) { multiply_tile(tile, whole(tile)); });
}

void Int8Forward::finish(tensor::MatrixView<float> out) {
  tiling(out.rows).for_each(cpu_, [&](const Tile& tile) { finish_tile(tile, whole(tile), out); });
}

void Int8Forward::multiply_and_finish(tensor::MatrixView<float> out) {
  const Tiling tiles = tiling(out.rows);
  const int64_t threads = cpu_.team().size();
  const bool sixteen_bit = sixteen_bit_columns(linear_, workspace_).count() > 0;
  workspace_.sums.ensure(threads * tiles.elements());
  if (sixteen_bit) workspace_.products.ensure(threads * tiles.elements());
  tiles.for_each(cpu_, [&](const Tile& tile) {
    const int64_t offset = tile.thread * tiles.elements();
    const Sums sums = {.sums = workspace_.sums.data() + offset,
                       .products = sixteen_bit ? workspace_.products.data() + offset : nullptr,
                       .stride = tile.columns()};
    multiply_tile(tile, sums);
    finish_tile(tile, sums, out);
  });
}

}  // namespace octet::linear

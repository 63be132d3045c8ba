// The zeropoint methods: exact integers through the int8 kernels, a plain epilogue.
#include "linear/zeropoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "linear/outliers.h"
#include "linear/tiling.h"
#include "quant/absmax.h"

namespace octet::linear {

void ValueRange::include(const ValueRange& other) {
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

ValueRange range_of(const float* x, int64_t count) {
  ValueRange range;
  for (int64_t i = 0; i < count; ++i) {
    range.min = x[i] < range.min ? x[i] : range.min;
    range.max = x[i] > range.max ? x[i] : range.max;
  }
  return range;
}

void quantize_zeropoint_row(const float* x, int64_t count, const quant::ZeropointParams& params,
                            int8_t* codes) {
  const float nd = quant::absmax_multiplier(params.half_range);
  // Adding 1.5·2^23 leaves no bits below 1: rint for magnitudes up to 2^22, without a branch.
  constexpr float kRound = 0x1.8p23f;
  for (int64_t i = 0; i < count; ++i) {
    const float rounded = (x[i] * nd + kRound) - kRound;
    const auto code = static_cast<int32_t>(rounded) + params.zero;
    codes[i] = static_cast<int8_t>(std::clamp(code, -quant::kCodeMax, quant::kCodeMax));
  }
}

namespace {

constexpr int64_t kColumns = ops::kPanelColumns;

/// How one row of codes was made, and Σ codes.
struct CodeRow {
  quant::ZeropointParams params;
  int64_t sum = 0;
};

/// A row's elements by where they go; what is elsewhere is 0, whose code is the zero point.
struct SplitRow {
  std::vector<float> regular;
  std::vector<float> leftover;
  bool has_leftover = false;
};

class ZeropointForward {
 public:
  ZeropointForward(device::Cpu& cpu, const Linear& linear, const LinearCall& call,
                   Workspace& workspace)
      : cpu_(cpu),
        linear_(linear),
        call_(call),
        workspace_(workspace),
        sixteen_bit_(sixteen_bit_columns(linear, workspace)),
        k_(ops::padded(linear.inputs(), ops::kInt8KStep)),
        panels_(ops::padded(linear.outputs(), kColumns) / kColumns) {
    const Precision& precision = linear.precision();
    if (decomposes(precision) && precision.outliers != OutlierMode::batch) {
      threshold_ = precision.threshold;
    }
  }

  int64_t run(tensor::MatrixView<const float> x, tensor::MatrixView<float> out) {
    const int64_t first_bad = find_ranges(x);
    quantize(x);
    const Tiling tiles(x.rows, code_rows_ > x.rows ? 2 : 1, panels_, cpu_.team().size());
    workspace_.sums.ensure(cpu_.team().size() * tiles.elements());
    workspace_.products.ensure(cpu_.team().size() * tiles.elements());
    tiles.for_each(cpu_, [&](const Tile& tile) { run_tile(tile, tiles.elements(), out); });
    return first_bad;
  }

 private:
  void split(const float* row, SplitRow& to) const {
    const int64_t columns = linear_.inputs();
    to.regular.assign(row, row + columns);
    to.leftover.assign(static_cast<size_t>(columns), 0.0f);
    to.has_leftover = false;
    for (int32_t column : sixteen_bit_.columns) to.regular[static_cast<size_t>(column)] = 0;
    if (threshold_ == 0) return;
    for (size_t i = 0; i < to.regular.size(); ++i) {
      if (std::fabs(to.regular[i]) < threshold_) continue;
      std::swap(to.regular[i], to.leftover[i]);
      to.has_leftover = true;
    }
  }

  /// Ranges of regular and leftover elements, and where each row's codes will lie.
  int64_t find_ranges(tensor::MatrixView<const float> x) {
    const auto rows = static_cast<size_t>(x.rows);
    ranges_.resize(rows);
    leftovers_.resize(rows);
    in_range_.assign(rows, 0);
    std::vector<char> has_leftover(rows);
    for_row_blocks(cpu_, x.rows, x.columns, [&](int64_t first, int64_t count, int) {
      SplitRow row;
      for (int64_t r = first; r < first + count; ++r) {
        const auto index = static_cast<size_t>(r);
        in_range_[index] = std::all_of(x.row(r), x.row(r) + x.columns, [](float value) {
          return std::fabs(value) <= kLargestActivation;
        });
        if (!in_range_[index]) continue;
        split(x.row(r), row);
        ranges_[index] = range_of(row.regular.data(), x.columns);
        leftovers_[index] = range_of(row.leftover.data(), x.columns);
        has_leftover[index] = row.has_leftover;
      }
    });
    if (has_tensor_wise_activations(linear_.precision().method)) {
      ValueRange call_range;
      for (const ValueRange& range : ranges_) call_range.include(range);
      std::fill(ranges_.begin(), ranges_.end(), call_range);
    }
    workspace_.first_code_row.assign(1, 0);
    for (size_t r = 0; r < rows; ++r) {
      code_rows_ += has_leftover[r] ? 2 : 1;
      workspace_.first_code_row.push_back(code_rows_);
    }
    const auto bad = std::find(in_range_.begin(), in_range_.end(), 0);
    return bad == in_range_.end() ? -1 : bad - in_range_.begin();
  }

  void quantize_code_row(const std::vector<float>& values, const ValueRange& range,
                         int64_t code_row) {
    CodeRow& to = rows_[static_cast<size_t>(code_row)];
    int8_t* codes = workspace_.codes.data() + code_row * k_;
    to.params = range.params();
    quantize_zeropoint_row(values.data(), linear_.inputs(), to.params, codes);
    // Padding is 0 on both sides of the product and no part of the other terms.
    std::memset(codes + linear_.inputs(), 0, static_cast<size_t>(k_ - linear_.inputs()));
    for (int64_t i = 0; i < linear_.inputs(); ++i) to.sum += codes[i];
  }

  void quantize(tensor::MatrixView<const float> x) {
    rows_.resize(static_cast<size_t>(code_rows_));
    workspace_.codes.ensure(code_rows_ * k_);
    reserve_planes(sixteen_bit_, x.rows, cpu_.team().size(), workspace_);
    for_row_blocks(cpu_, x.rows, x.columns, [&](int64_t first, int64_t count, int thread) {
      SplitRow row;
      for (int64_t r = first; r < first + count; ++r) {
        const int64_t code_row = workspace_.first_code_row[static_cast<size_t>(r)];
        if (in_range_[static_cast<size_t>(r)]) {
          split(x.row(r), row);
          quantize_code_row(row.regular, ranges_[static_cast<size_t>(r)], code_row);
          if (row.has_leftover) {
            quantize_code_row(row.leftover, leftovers_[static_cast<size_t>(r)], code_row + 1);
          }
        } else {
          std::memset(workspace_.codes.data() + code_row * k_, 0, static_cast<size_t>(k_));
        }
        if (sixteen_bit_.count() > 0) {
          split_columns(linear_, sixteen_bit_, x.row(r), r, thread, workspace_);
        }
      }
    });
  }

  /// Σ (A − a)(B − b) of one code row and column n, times the row's factor (Eq. 5).
  float term(const CodeRow& row, int32_t product, int64_t n) const {
    const LinearParts& parts = linear_.parts();
    const int64_t a = row.params.zero;
    const int64_t b = parts.column_zeros[n];
    const int64_t sum = product - a * parts.column_sums[n] - b * row.sum + linear_.inputs() * a * b;
    return static_cast<float>(sum) * (row.params.half_range / ops::kOnePlaneMax);
  }

  void run_tile(const Tile& tile, int64_t elements, tensor::MatrixView<float> out) {
    const LinearParts& parts = linear_.parts();
    const int64_t stride = tile.columns();
    int32_t* sums = workspace_.sums.data() + tile.thread * elements;
    float* products = workspace_.products.data() + tile.thread * elements;
    const int64_t first = workspace_.first_code_row[static_cast<size_t>(tile.row)];
    const int64_t end = workspace_.first_code_row[static_cast<size_t>(tile.row_end)];
    linear_.kernels().int8_matmul({.a = workspace_.codes.data() + first * k_,
                                   .a_stride = k_,
                                   .rows = end - first,
                                   .k = k_,
                                   .b = parts.codes.data() + tile.panel * k_ * kColumns,
                                   .column_sums = parts.column_sums.data() + tile.column(),
                                   .panels = tile.panels(),
                                   .c = sums,
                                   .c_stride = stride});
    if (sixteen_bit_.count() > 0) {
      multiply_columns(linear_, sixteen_bit_, tile, workspace_, products, stride);
    }
    for (int64_t r = tile.row; r < tile.row_end; ++r) {
      finish_row(tile, r,
                 sums + (workspace_.first_code_row[static_cast<size_t>(r)] - first) * stride,
                 products + (r - tile.row) * stride, out.row(r));
    }
  }

  void finish_row(const Tile& tile, int64_t r, const int32_t* sums, const float* products,
                  float* out) const {
    const LinearParts& parts = linear_.parts();
    const auto code_row = static_cast<size_t>(workspace_.first_code_row[static_cast<size_t>(r)]);
    const auto next_row =
        static_cast<size_t>(workspace_.first_code_row[static_cast<size_t>(r) + 1]);
    const int64_t first = tile.column();
    const int64_t end = std::min(first + tile.columns(), linear_.outputs());
    for (int64_t n = first; n < end; ++n) {
      float y = term(rows_[code_row], sums[n - first], n);
      if (next_row - code_row == 2) {
        y += term(rows_[code_row + 1], sums[tile.columns() + n - first], n);
      }
      y *= linear_.column_factors()[n];
      if (sixteen_bit_.count() > 0) y += products[n - first];
      if (!parts.bias.empty()) y += parts.bias[n];
      if (call_.residual != nullptr) y += call_.residual[r * call_.residual_stride + n];
      out[n] = y;
    }
  }

  device::Cpu& cpu_;
  const Linear& linear_;
  const LinearCall& call_;
  Workspace& workspace_;
  SixteenBitColumns sixteen_bit_;
  int64_t k_;
  int64_t panels_;
  float threshold_ = 0;
  int64_t code_rows_ = 0;
  std::vector<ValueRange> ranges_;     ///< [rows] of the elements in the int8 product
  std::vector<ValueRange> leftovers_;  ///< [rows] of those in extra rows
  std::vector<char> in_range_;         ///< [rows] every value is finite
  std::vector<CodeRow> rows_;          ///< [code rows]
};

}  // namespace

int64_t zeropoint_forward(device::Cpu& cpu, const Linear& linear, tensor::MatrixView<const float> x,
                          tensor::MatrixView<float> out, const LinearCall& call,
                          Workspace& workspace) {
  if (finds_outlier_columns(linear.precision())) {
    find_outlier_columns(cpu, linear, x, workspace);
  }
  return ZeropointForward(cpu, linear, call, workspace).run(x, out);
}

}  // namespace octet::linear

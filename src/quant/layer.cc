// The oracle: a linear layer step by step as the paper writes it, without any thought of speed.
#include "quant/layer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quant/absmax.h"
#include "quant/decomposition.h"
#include "quant/zeropoint.h"

namespace octet::quant {

namespace {

/// A quantised vector: value ≈ (code − zero)·factor.
struct Quantized {
  std::vector<int32_t> codes;
  int32_t zero = 0;
  float factor = 0;
};

/// Quantises `x` with the scale that `range`'s values (which include x's) give.
Quantized quantize(Scheme scheme, int planes, std::span<const float> x,
                   std::span<const float> range) {
  Quantized result;
  if (scheme == Scheme::zeropoint) {
    const ZeropointParams params = zeropoint_params(range);
    for (float value : x) result.codes.push_back(quantize_zeropoint_value(value, params));
    result.zero = params.zero;
    result.factor = params.half_range / static_cast<float>(kCodeMax);
    return result;
  }
  const int32_t code_max = planes == 2 ? kTwoPlanesMax : kCodeMax;
  const float c = absmax_scale(range);
  const float multiplier = absmax_multiplier(c, code_max);
  for (float value : x) result.codes.push_back(quantize_value(value, multiplier, code_max));
  result.factor = c / static_cast<float>(code_max);
  return result;
}

/// Quantises the rows of a matrix, with one scale each or one for all.
std::vector<Quantized> quantize_rows(Scheme scheme, Granularity granularity, int planes,
                                     const std::vector<std::vector<float>>& rows) {
  std::vector<float> everything;
  if (granularity == Granularity::tensor) {
    for (const auto& row : rows) everything.insert(everything.end(), row.begin(), row.end());
  }
  std::vector<Quantized> result;
  result.reserve(rows.size());
  for (const auto& row : rows) {
    result.push_back(
        quantize(scheme, planes, row, granularity == Granularity::tensor ? everything : row));
  }
  return result;
}

std::vector<std::vector<float>> rows_of(tensor::MatrixView<const float> matrix) {
  std::vector<std::vector<float>> rows;
  for (int64_t r = 0; r < matrix.rows; ++r) {
    rows.emplace_back(matrix.row(r), matrix.row(r) + matrix.columns);
  }
  return rows;
}

std::vector<float> pick(const float* row, std::span<const int32_t> columns) {
  std::vector<float> values;
  for (int32_t column : columns) values.push_back(row[column]);
  return values;
}

/// X taken apart: what stays in the int8 product and what goes into extra int8 rows. Elements that
/// are somewhere else are 0, which every scheme quantises to exactly 0.
struct Parts {
  std::vector<std::vector<float>> regular;
  std::vector<std::vector<float>> extra;  ///< an empty row where nothing reaches α
};

Parts take_apart(const Arithmetic& arithmetic, tensor::MatrixView<const float> x,
                 std::span<const int32_t> outliers) {
  Parts parts{rows_of(x), std::vector<std::vector<float>>(static_cast<size_t>(x.rows))};
  const bool extra_rows =
      arithmetic.alpha > 0 && arithmetic.planes == 1 &&
      (arithmetic.outliers == Outliers::kept || arithmetic.outliers == Outliers::token);
  for (size_t r = 0; r < parts.regular.size(); ++r) {
    std::vector<float>& row = parts.regular[r];
    for (int32_t column : outliers) row[static_cast<size_t>(column)] = 0;
    if (!extra_rows || absmax_scale(row) < arithmetic.alpha) continue;
    parts.extra[r].resize(row.size());
    for (size_t i = 0; i < row.size(); ++i) {
      if (std::fabs(row[i]) >= arithmetic.alpha) std::swap(row[i], parts.extra[r][i]);
    }
  }
  return parts;
}

std::vector<int32_t> outliers_of(const Arithmetic& arithmetic, const Layer& layer,
                                 tensor::MatrixView<const float> x) {
  if (arithmetic.alpha == 0) return {};
  if (arithmetic.outliers == Outliers::columns) return outlier_columns(x, arithmetic.alpha);
  if (arithmetic.outliers == Outliers::kept) {
    return {layer.kept_columns.begin(), layer.kept_columns.end()};
  }
  return {};
}

float integer_part(const Quantized& x, const Quantized& w) {
  return static_cast<float>(zeropoint_product(x.codes, x.zero, w.codes, w.zero)) * x.factor;
}

}  // namespace

std::vector<float> linear_layer(const Arithmetic& arithmetic, const Layer& layer,
                                tensor::MatrixView<const float> x) {
  OCTET_CHECK(x.columns == layer.w.columns);
  OCTET_CHECK(arithmetic.planes == 1 || arithmetic.scheme == Scheme::absmax);
  const std::vector<int32_t> outliers = outliers_of(arithmetic, layer, x);
  const Parts parts = take_apart(arithmetic, x, outliers);
  const std::vector<Quantized> rows =
      quantize_rows(arithmetic.scheme, arithmetic.activations, arithmetic.planes, parts.regular);
  const std::vector<Quantized> extra =
      quantize_rows(arithmetic.scheme, Granularity::vector, 1, parts.extra);
  const std::vector<Quantized> weights =
      quantize_rows(arithmetic.scheme, arithmetic.weights, 1, rows_of(layer.w));

  std::vector<float> out;
  for (int64_t r = 0; r < x.rows; ++r) {
    const auto row = static_cast<size_t>(r);
    const std::vector<float> x_outliers = pick(x.row(r), outliers);
    for (int64_t n = 0; n < layer.w.rows; ++n) {
      const Quantized& w = weights[static_cast<size_t>(n)];
      float y = integer_part(rows[row], w);
      if (!parts.extra[row].empty()) y += integer_part(extra[row], w);
      y *= w.factor;
      if (!outliers.empty()) {
        std::vector<float> w_outliers = pick(layer.w.row(n), outliers);
        for (float& value : w_outliers) value = round_to_sixteen_bit(value, layer.sixteen_bit);
        y += product16(x_outliers, 2, w_outliers, layer.sixteen_bit);
      }
      if (!layer.bias.empty()) y += layer.bias[static_cast<size_t>(n)];
      out.push_back(y);
    }
  }
  return out;
}

}  // namespace octet::quant

// A whole linear layer in the arithmetic of any row of Table 1: the oracle of octet's fast layers.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "quant/product.h"
#include "tensor/view.h"

namespace octet::quant {

enum class Scheme : uint8_t { absmax, zeropoint };

/// What shares one scale: the whole tensor, or one vector (a row of X, an output column of W).
enum class Granularity : uint8_t { tensor, vector };

/// Which features leave the int8 product (Sec. 3.2). columns: columns of X in which some row
/// reaches α (the paper). kept: a given set of columns; other elements that reach α get an extra
/// int8 row. token: every element that reaches α goes into the extra int8 row.
enum class Outliers : uint8_t { none, columns, kept, token };

/// How a layer computes; the combinations the paper has names for are in `kTable1`.
struct Arithmetic {
  Scheme scheme = Scheme::absmax;
  Granularity activations = Granularity::vector;
  Granularity weights = Granularity::vector;
  Outliers outliers = Outliers::none;
  float alpha = 6.0f;
  /// int8 planes of the activations, absmax only. Two hold 15 bits: then nothing needs an extra
  /// row.
  int planes = 1;
};

struct TableRow {
  std::string_view name;
  Arithmetic arithmetic;
};

/// The int8 rows of Table 1.
inline constexpr std::array<TableRow, 8> kTable1 = {{
    {"absmax", {Scheme::absmax, Granularity::tensor, Granularity::tensor}},
    {"zeropoint", {Scheme::zeropoint, Granularity::tensor, Granularity::tensor}},
    {"absmax-rowwise", {Scheme::absmax, Granularity::vector, Granularity::tensor}},
    {"absmax-vectorwise", {Scheme::absmax, Granularity::vector, Granularity::vector}},
    {"zeropoint-vectorwise", {Scheme::zeropoint, Granularity::vector, Granularity::vector}},
    {"absmax-rowwise-decomp",
     {Scheme::absmax, Granularity::vector, Granularity::tensor, Outliers::columns}},
    {"llm-int8", {Scheme::absmax, Granularity::vector, Granularity::vector, Outliers::columns}},
    {"llm-int8-zeropoint",
     {Scheme::zeropoint, Granularity::vector, Granularity::vector, Outliers::columns}},
}};

struct Layer {
  tensor::MatrixView<const float> w = {};      ///< [outputs, inputs]
  std::span<const float> bias = {};            ///< [outputs] or empty
  SixteenBit sixteen_bit = SixteenBit::f16;    ///< type of the outlier features' weights
  std::span<const int32_t> kept_columns = {};  ///< Outliers::kept only; ascending
};

/// x·Wᵀ + bias, row-major [x.rows, outputs]; all rows of x are one call. Per output, in float32:
///   y = (v·row_factor [+ v'·row_factor'])·column_factor [+ 16-bit product] [+ bias]
/// where v is the exact integer product (primes: the extra row), a row factor c/127 (c/16256 for
/// two planes) and the column factor c_w/127 (Eq. 7; half ranges in place of c for zeropoint). The
/// 16-bit product takes two planes of x. Scales of rows are taken without the outlier columns,
/// scales of the weights over all columns.
std::vector<float> linear_layer(const Arithmetic& arithmetic, const Layer& layer,
                                tensor::MatrixView<const float> x);

}  // namespace octet::quant

// Turning the stored elements of a tensor into float32.
#pragma once

#include <cstdint>

#include "tensor/view.h"

namespace octet::checkpoint {

/// A tensor of any rank seen as a matrix: the first dimension counts rows, all others together
/// are its columns. A vector [n] is one row of n, a scalar one row of 1.
int64_t row_count(const tensor::View& view);
int64_t column_count(const tensor::View& view);

/// Decodes rows [first_row, first_row + rows) to out[rows][column_count], for every floating-point
/// type, block formats included. 16- and 8-bit values are exact, NaN and infinities kept; float64
/// is rounded to nearest; block values are the format's formula, of which at most the last
/// operation rounds. Throws Error for other types; the range must lie inside the tensor.
void decode_rows(const tensor::View& view, int64_t first_row, int64_t rows, float* out);

/// Decodes columns [first_column, first_column + columns) of a matrix [K, N] transposed, to
/// out[columns][K] (GPT-2 stores its weights that way round). Throws Error for block
/// formats, integers and other ranks; the range must lie inside the matrix.
void decode_columns_block(const tensor::View& view, int64_t first_column, int64_t columns,
                          float* out);

}  // namespace octet::checkpoint

// What a linear layer takes once it is packed, and what its calls need beside, told from its shape.
#pragma once

#include <cstdint>

#include "linear/precision.h"

namespace octet::linear {

struct LayerShape {
  int64_t outputs = 0;
  int64_t inputs = 0;
  bool bias = false;
  /// Input columns in 16 bits beside the int8 product: those kept at load or, with `batch`, those
  /// that a call finds. Of no account where the precision has none.
  int64_t sixteen_bit_columns = 0;
};

/// Bytes of the parts of packed layers; total() is what Linear::bytes() will be.
struct LayerBytes {
  int64_t codes = 0;           ///< int8, padding included
  int64_t columns = 0;         ///< of each output: scale, factor, sum, zero point
  int64_t kept = 0;            ///< of kept columns: weights, indices, mask
  int64_t sixteen_bit = 0;     ///< 16-bit weights; `batch`: the originals beside the codes too
  int64_t thirty_two_bit = 0;  ///< 32-bit weights
  int64_t bias = 0;

  int64_t total() const { return codes + columns + kept + sixteen_bit + thirty_two_bit + bias; }
  LayerBytes& operator+=(const LayerBytes& other);
};
LayerBytes packed_bytes(const LayerShape& shape, const Precision& precision);

/// Bytes of the arrays of a Workspace that grow with the rows of a call or with the layer. Left out
/// are the tiles of sums: at most 1 MB for each thread.
struct CallBytes {
  int64_t row_scales = 0;      ///< row_max, leftover_max, first_code_row
  int64_t codes = 0;           ///< with two planes or an extra row two code rows for each row
  int64_t planes = 0;          ///< bfloat16 planes of 16-bit columns
  int64_t outlier_panels = 0;  ///< `batch`: weights of the call's outlier columns, and their mask

  int64_t total() const { return row_scales + codes + planes + outlier_panels; }
  /// One workspace serves all layers: each array grows to the largest.
  void include(const CallBytes& other);
};
CallBytes call_bytes(const LayerShape& shape, const Precision& precision, int64_t rows);

}  // namespace octet::linear

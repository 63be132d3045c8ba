// Row maxima and int8 codes in plain C++: the reference the other kernels must equal bit for bit.
#include "ops/quantize_rows/element.h"

namespace octet::ops {

void row_maxima_scalar(const RowMaximaArgs& args) {
  for (int64_t r = 0; r < args.rows; ++r) {
    const float* x = args.x + r * args.x_stride;
    int32_t row_max = 0;
    int32_t leftover_max = 0;
    for (int64_t i = 0; i < args.columns; ++i) {
      if (args.column_mask != nullptr && args.column_mask[i] == 0) continue;
      const int32_t magnitude = magnitude_bits(x[i]);
      int32_t& largest = is_leftover(magnitude, args.threshold) ? leftover_max : row_max;
      if (magnitude > largest) largest = magnitude;
    }
    args.row_max[r] = float_of_bits(row_max);
    if (args.leftover_max != nullptr) args.leftover_max[r] = float_of_bits(leftover_max);
  }
}

void quantize_row_scalar(const QuantizeRowArgs& args) {
  quantize_elements(args, quantize_scales(args), 0, args.columns);
  zero_padding(args);
}

}  // namespace octet::ops

// Packs 16-bit weights into panels of 16 columns.
#include <algorithm>

#include "ops/matmul16/matmul16.h"

namespace octet::ops {

void pack_panels16(const uint16_t* weights, int64_t stride, int64_t rows, int64_t k,
                   uint16_t* out) {
  const int64_t k32 = padded(k, kMatmul16KStep);
  for (int64_t first = 0; first < rows; first += kPanelColumns, out += kPanelColumns * k32) {
    const int64_t columns = std::min(kPanelColumns, rows - first);
    if (columns < kPanelColumns || k < k32) std::fill_n(out, kPanelColumns * k32, uint16_t{0});
    for (int64_t n = 0; n < columns; ++n) {
      const uint16_t* row = weights + (first + n) * stride;
      uint16_t* column = out + 2 * n;
      for (int64_t i = 0; i + 1 < k; i += 2) {
        column[i * kPanelColumns] = row[i];
        column[i * kPanelColumns + 1] = row[i + 1];
      }
      if (k % 2 != 0) column[(k - 1) * kPanelColumns] = row[k - 1];
    }
  }
}

}  // namespace octet::ops

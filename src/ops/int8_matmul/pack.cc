// Packing row-major int8 codes into the panels every int8 kernel reads.
#include <algorithm>
#include <cstring>

#include "ops/int8_matmul/int8_matmul.h"

namespace octet::ops {

void pack_int8_panels(const int8_t* codes, int64_t stride, int64_t rows, int64_t k, int8_t* out,
                      int32_t* column_sums) {
  const int64_t panel_bytes = padded(k, kInt8KStep) * kPanelColumns;
  const int64_t panels = padded(rows, kPanelColumns) / kPanelColumns;
  for (int64_t panel = 0; panel < panels; ++panel) {
    int8_t* to = out + panel * panel_bytes;
    std::fill_n(to, panel_bytes, int8_t{0});
    for (int64_t n = 0; n < kPanelColumns; ++n) {
      const int64_t row = panel * kPanelColumns + n;
      int32_t sum = 0;
      if (row < rows) {
        const int8_t* from = codes + row * stride;
        for (int64_t i = 0; i < k; i += 4) {
          const int64_t count = std::min<int64_t>(4, k - i);
          std::memcpy(to + i * kPanelColumns + n * 4, from + i, static_cast<size_t>(count));
          for (int64_t j = 0; j < count; ++j) sum += from[i + j];
        }
      }
      column_sums[row] = sum;
    }
  }
}

}  // namespace octet::ops

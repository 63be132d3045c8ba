// Packing 32-bit weights into panels of 16 columns.
#include "ops/matmul32/matmul32.h"

namespace octet::ops {

void pack_panels32(const float* weights, int64_t stride, int64_t rows, int64_t k, float* out) {
  for (int64_t first = 0; first < rows; first += kPanelColumns) {
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t n = 0; n < kPanelColumns; ++n) {
        *out++ = first + n < rows ? weights[(first + n) * stride + i] : 0.0f;
      }
    }
  }
}

}  // namespace octet::ops

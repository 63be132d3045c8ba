// The int8 product in plain C++: the reference, and the kernel of CPUs without AVX2.
#include "ops/int8_matmul/int8_matmul.h"

namespace octet::ops {

void int8_matmul_scalar(const Int8MatmulArgs& args) {
  for (int64_t r = 0; r < args.rows; ++r) {
    const int8_t* a = args.a + r * args.a_stride;
    for (int64_t panel = 0; panel < args.panels; ++panel) {
      const int8_t* b = args.b + panel * kPanelColumns * args.k;
      int32_t sums[kPanelColumns] = {};
      for (int64_t k = 0; k < args.k; k += 4, b += 4 * kPanelColumns) {
        for (int64_t n = 0; n < kPanelColumns; ++n) {
          for (int64_t j = 0; j < 4; ++j) sums[n] += a[k + j] * b[n * 4 + j];
        }
      }
      int32_t* c = args.c + r * args.c_stride + panel * kPanelColumns;
      for (int64_t n = 0; n < kPanelColumns; ++n) c[n] = sums[n];
    }
  }
}

}  // namespace octet::ops

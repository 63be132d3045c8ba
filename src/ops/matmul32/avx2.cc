// The 32-bit product kernel for AVX2.
#include "ops/simd/avx2.h"

#include "ops/matmul32/matmul32_kernel.h"

namespace octet::ops::avx2 {

// 6 rows × 16 columns are 12 of the 16 registers; two weights and one x beside them.
void matmul32(const Matmul32Args& args) {
  simd::matmul32<simd::Avx2x16, 6, 1, 4>(args);
}

}  // namespace octet::ops::avx2

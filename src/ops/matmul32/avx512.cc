// The 32-bit product kernel for AVX-512.
#include "ops/simd/avx512.h"

#include "ops/matmul32/matmul32_kernel.h"

namespace octet::ops::avx512 {

// 8 rows × 32 columns are 16 of the 32 registers: enough chains to hide the latency of fma.
void matmul32(const Matmul32Args& args) {
  simd::matmul32<simd::Avx512x16, 8, 2, 4>(args);
}

}  // namespace octet::ops::avx512

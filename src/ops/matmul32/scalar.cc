// The 32-bit product kernel for any CPU.
#include "ops/simd/scalar.h"

#include "ops/matmul32/matmul32_kernel.h"

namespace octet::ops::scalar {

void matmul32(const Matmul32Args& args) {
  simd::matmul32<simd::Scalar16, 1, 1, 1>(args);
}

}  // namespace octet::ops::scalar

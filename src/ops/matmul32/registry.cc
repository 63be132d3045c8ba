// The 32-bit product kernels, slowest first.
#include "ops/registry.h"

#include "ops/matmul32/matmul32.h"

namespace octet::ops {

namespace scalar {
Matmul32Function matmul32;
}
namespace avx2 {
Matmul32Function matmul32;
}
namespace avx512 {
Matmul32Function matmul32;
}

std::span<const Kernel<Matmul32Function>> matmul32_kernels() {
  static constexpr Kernel<Matmul32Function> kKernels[] = {
      {device::Isa::scalar, scalar::matmul32},
      {device::Isa::avx2, avx2::matmul32},
      {device::Isa::avx512, avx512::matmul32},
  };
  return kKernels;
}

}  // namespace octet::ops

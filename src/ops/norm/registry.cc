// The normalisation kernels, slowest first.
#include "ops/registry.h"

#include "ops/norm/norm.h"

namespace octet::ops {

namespace scalar {
NormFunction norm;
}
namespace avx2 {
NormFunction norm;
}
namespace avx512 {
NormFunction norm;
}

std::span<const Kernel<NormFunction>> norm_kernels() {
  static constexpr Kernel<NormFunction> kKernels[] = {
      {device::Isa::scalar, scalar::norm},
      {device::Isa::avx2, avx2::norm},
      {device::Isa::avx512, avx512::norm},
  };
  return kKernels;
}

}  // namespace octet::ops

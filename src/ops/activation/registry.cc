// The activation kernels, slowest first.
#include "ops/registry.h"

#include "ops/activation/activation.h"

namespace octet::ops {

namespace scalar {
ActivationFunction activate;
}
namespace avx2 {
ActivationFunction activate;
}
namespace avx512 {
ActivationFunction activate;
}

std::span<const Kernel<ActivationFunction>> activation_kernels() {
  static constexpr Kernel<ActivationFunction> kKernels[] = {
      {device::Isa::scalar, scalar::activate},
      {device::Isa::avx2, avx2::activate},
      {device::Isa::avx512, avx512::activate},
  };
  return kKernels;
}

}  // namespace octet::ops

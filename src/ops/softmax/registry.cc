// The softmax kernels, slowest first.
#include "ops/registry.h"

#include "ops/softmax/softmax.h"

namespace octet::ops {

namespace scalar {
SoftmaxFunction softmax;
}
namespace avx2 {
SoftmaxFunction softmax;
}
namespace avx512 {
SoftmaxFunction softmax;
}

std::span<const Kernel<SoftmaxFunction>> softmax_kernels() {
  static constexpr Kernel<SoftmaxFunction> kKernels[] = {
      {device::Isa::scalar, scalar::softmax},
      {device::Isa::avx2, avx2::softmax},
      {device::Isa::avx512, avx512::softmax},
  };
  return kKernels;
}

}  // namespace octet::ops

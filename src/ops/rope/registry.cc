// The rotary embedding kernels, slowest first.
#include "ops/registry.h"

#include "ops/rope/rope.h"

namespace octet::ops {

namespace scalar {
RopeFunction rope;
}
namespace avx2 {
RopeFunction rope;
}
namespace avx512 {
RopeFunction rope;
}

std::span<const Kernel<RopeFunction>> rope_kernels() {
  static constexpr Kernel<RopeFunction> kKernels[] = {
      {device::Isa::scalar, scalar::rope},
      {device::Isa::avx2, avx2::rope},
      {device::Isa::avx512, avx512::rope},
  };
  return kKernels;
}

}  // namespace octet::ops

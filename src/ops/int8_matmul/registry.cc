// The kernels of the int8 product. One line here declares, dispatches and tests a kernel.
#include <array>

#include "ops/int8_matmul/int8_matmul.h"

// In rising order of speed.
#define OCTET_INT8_MATMUL_KERNELS(KERNEL) \
  KERNEL(scalar)                          \
  KERNEL(avx2)                            \
  KERNEL(avxvnni)                         \
  KERNEL(avx512)                          \
  KERNEL(amx)

namespace octet::ops {

#define OCTET_DECLARE(isa) void int8_matmul_##isa(const Int8MatmulArgs& args);
OCTET_INT8_MATMUL_KERNELS(OCTET_DECLARE)
#undef OCTET_DECLARE

std::span<const Kernel<Int8MatmulFunction>> int8_matmul_kernels() {
#define OCTET_LIST(isa) Kernel<Int8MatmulFunction>{device::Isa::isa, int8_matmul_##isa},
  static constexpr std::array kKernels = {OCTET_INT8_MATMUL_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

}  // namespace octet::ops

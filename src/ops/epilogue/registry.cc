// The kernels of the epilogue. One line here declares, dispatches and tests a kernel.
#include <array>

#include "ops/epilogue/epilogue.h"

// In rising order of speed.
#define OCTET_EPILOGUE_KERNELS(KERNEL) \
  KERNEL(scalar)                       \
  KERNEL(avx2)                         \
  KERNEL(avx512)

namespace octet::ops {

#define OCTET_DECLARE(isa) void epilogue_##isa(const EpilogueArgs& args);
OCTET_EPILOGUE_KERNELS(OCTET_DECLARE)
#undef OCTET_DECLARE

std::span<const Kernel<EpilogueFunction>> epilogue_kernels() {
#define OCTET_LIST(isa) Kernel<EpilogueFunction>{device::Isa::isa, epilogue_##isa},
  static constexpr std::array kKernels = {OCTET_EPILOGUE_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

}  // namespace octet::ops

// The kernels that measure ceilings, one list for each; a line declares, dispatches and tests them.
#include <array>

#include "ops/roofline/roofline.h"

// In rising order of speed.
#define OCTET_INT8_PEAK_KERNELS(KERNEL) \
  KERNEL(scalar, int8_peak_scalar)      \
  KERNEL(avx2, int8_peak_avx2)          \
  KERNEL(avxvnni, int8_peak_avxvnni)    \
  KERNEL(avx512, int8_peak_avx512)      \
  KERNEL(amx, int8_peak_amx)

#define OCTET_FLOAT32_PEAK_KERNELS(KERNEL) \
  KERNEL(scalar, float32_peak_scalar)      \
  KERNEL(avx2, float32_peak_avx2)          \
  KERNEL(avx512, float32_peak_avx512)

#define OCTET_BFLOAT16_PEAK_KERNELS(KERNEL)    \
  KERNEL(avx512bf16, bfloat16_peak_avx512bf16) \
  KERNEL(amx, bfloat16_peak_amx)

#define OCTET_READ_MEMORY_KERNELS(KERNEL) \
  KERNEL(scalar, read_memory_scalar)      \
  KERNEL(avx2, read_memory_avx2)          \
  KERNEL(avx512, read_memory_avx512)

namespace octet::ops {

#define OCTET_DECLARE(isa, function) PeakResult function(int64_t rounds);
OCTET_INT8_PEAK_KERNELS(OCTET_DECLARE)
OCTET_FLOAT32_PEAK_KERNELS(OCTET_DECLARE)
OCTET_BFLOAT16_PEAK_KERNELS(OCTET_DECLARE)
#undef OCTET_DECLARE
#define OCTET_DECLARE(isa, function) uint64_t function(const uint64_t* data, int64_t words);
OCTET_READ_MEMORY_KERNELS(OCTET_DECLARE)
#undef OCTET_DECLARE

#define OCTET_LIST(isa, function) Kernel<PeakFunction>{device::Isa::isa, function},

std::span<const Kernel<PeakFunction>> int8_peak_kernels() {
  static constexpr std::array kKernels = {OCTET_INT8_PEAK_KERNELS(OCTET_LIST)};
  return kKernels;
}

std::span<const Kernel<PeakFunction>> float32_peak_kernels() {
  static constexpr std::array kKernels = {OCTET_FLOAT32_PEAK_KERNELS(OCTET_LIST)};
  return kKernels;
}

std::span<const Kernel<PeakFunction>> bfloat16_peak_kernels() {
  static constexpr std::array kKernels = {OCTET_FLOAT32_PEAK_KERNELS(OCTET_LIST)
                                              OCTET_BFLOAT16_PEAK_KERNELS(OCTET_LIST)};
  return kKernels;
}
#undef OCTET_LIST

std::span<const Kernel<ReadMemoryFunction>> read_memory_kernels() {
#define OCTET_LIST(isa, function) Kernel<ReadMemoryFunction>{device::Isa::isa, function},
  static constexpr std::array kKernels = {OCTET_READ_MEMORY_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

}  // namespace octet::ops

// The kernels of row maxima and quantisation. One line here declares, dispatches and tests both
// kernels of an instruction set.
#include <array>

#include "ops/quantize_rows/quantize_rows.h"

// In rising order of speed.
#define OCTET_QUANTIZE_ROWS_KERNELS(KERNEL) \
  KERNEL(scalar)                            \
  KERNEL(avx2)                              \
  KERNEL(avx512)

namespace octet::ops {

#define OCTET_DECLARE(isa)                          \
  void row_maxima_##isa(const RowMaximaArgs& args); \
  void quantize_row_##isa(const QuantizeRowArgs& args);
OCTET_QUANTIZE_ROWS_KERNELS(OCTET_DECLARE)
#undef OCTET_DECLARE

std::span<const Kernel<RowMaximaFunction>> row_maxima_kernels() {
#define OCTET_LIST(isa) Kernel<RowMaximaFunction>{device::Isa::isa, row_maxima_##isa},
  static constexpr std::array kKernels = {OCTET_QUANTIZE_ROWS_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

std::span<const Kernel<QuantizeRowFunction>> quantize_row_kernels() {
#define OCTET_LIST(isa) Kernel<QuantizeRowFunction>{device::Isa::isa, quantize_row_##isa},
  static constexpr std::array kKernels = {OCTET_QUANTIZE_ROWS_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

}  // namespace octet::ops

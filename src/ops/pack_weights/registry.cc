// The kernels of packing stored weights. One line here declares, dispatches and tests the six
// kernels of an instruction set.
#include "ops/registry.h"

#include <array>

#include "ops/pack_weights/pack_weights.h"

// In rising order of speed.
#define OCTET_PACK_WEIGHTS_KERNELS(KERNEL) \
  KERNEL(scalar)                           \
  KERNEL(avx2)                             \
  KERNEL(avx512)

namespace octet::ops {

#define OCTET_DECLARE(isa)                                \
  void stored_maxima_##isa(const StoredMaximaArgs& args); \
  void pack_int8_##isa(const PackInt8Args& args);         \
  void pack16_##isa(const Pack16Args& args);              \
  void widen_row_##isa(const WidenRowArgs& args);         \
  bool narrow_row_##isa(const NarrowRowArgs& args);       \
  bool sum_panel_##isa(const SumPanelArgs& args);
OCTET_PACK_WEIGHTS_KERNELS(OCTET_DECLARE)
#undef OCTET_DECLARE

std::span<const Kernel<StoredMaximaFunction>> stored_maxima_kernels() {
#define OCTET_LIST(isa) Kernel<StoredMaximaFunction>{device::Isa::isa, stored_maxima_##isa},
  static constexpr std::array kKernels = {OCTET_PACK_WEIGHTS_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

std::span<const Kernel<PackInt8Function>> pack_int8_kernels() {
#define OCTET_LIST(isa) Kernel<PackInt8Function>{device::Isa::isa, pack_int8_##isa},
  static constexpr std::array kKernels = {OCTET_PACK_WEIGHTS_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

std::span<const Kernel<Pack16Function>> pack16_kernels() {
#define OCTET_LIST(isa) Kernel<Pack16Function>{device::Isa::isa, pack16_##isa},
  static constexpr std::array kKernels = {OCTET_PACK_WEIGHTS_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

std::span<const Kernel<WidenRowFunction>> widen_row_kernels() {
#define OCTET_LIST(isa) Kernel<WidenRowFunction>{device::Isa::isa, widen_row_##isa},
  static constexpr std::array kKernels = {OCTET_PACK_WEIGHTS_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

std::span<const Kernel<NarrowRowFunction>> narrow_row_kernels() {
#define OCTET_LIST(isa) Kernel<NarrowRowFunction>{device::Isa::isa, narrow_row_##isa},
  static constexpr std::array kKernels = {OCTET_PACK_WEIGHTS_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

std::span<const Kernel<SumPanelFunction>> sum_panel_kernels() {
#define OCTET_LIST(isa) Kernel<SumPanelFunction>{device::Isa::isa, sum_panel_##isa},
  static constexpr std::array kKernels = {OCTET_PACK_WEIGHTS_KERNELS(OCTET_LIST)};
#undef OCTET_LIST
  return kKernels;
}

}  // namespace octet::ops

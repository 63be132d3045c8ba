// The kernels of simd/map.h, slowest first.
#include "ops/registry.h"

#include "ops/simd/map.h"

namespace octet::ops {

namespace scalar {
MapFunction map;
LaneFunction exercise_lanes;
}  // namespace scalar
namespace avx2 {
MapFunction map;
LaneFunction exercise_lanes;
}  // namespace avx2
namespace avx512 {
MapFunction map;
LaneFunction exercise_lanes;
}  // namespace avx512

std::span<const Kernel<MapFunction>> map_kernels() {
  static constexpr Kernel<MapFunction> kKernels[] = {
      {device::Isa::scalar, scalar::map},
      {device::Isa::avx2, avx2::map},
      {device::Isa::avx512, avx512::map},
  };
  return kKernels;
}

std::span<const Kernel<LaneFunction>> lane_kernels() {
  static constexpr Kernel<LaneFunction> kKernels[] = {
      {device::Isa::scalar, scalar::exercise_lanes},
      {device::Isa::avx2, avx2::exercise_lanes},
      {device::Isa::avx512, avx512::exercise_lanes},
  };
  return kKernels;
}

}  // namespace octet::ops

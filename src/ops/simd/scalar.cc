// The array kernels of simd/map.h for any CPU.
#include "ops/simd/scalar.h"

#include "ops/simd/map_kernel.h"

namespace octet::ops::scalar {

void map(const MapArgs& args) {
  simd::map<simd::Scalar16>(args);
}

void exercise_lanes(const LaneArgs& args) {
  simd::exercise_lanes<simd::Scalar16>(args);
}

}  // namespace octet::ops::scalar

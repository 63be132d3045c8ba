// The array kernels of simd/map.h for AVX2.
#include "ops/simd/avx2.h"

#include "ops/simd/map_kernel.h"

namespace octet::ops::avx2 {

void map(const MapArgs& args) {
  simd::map<simd::Avx2x16>(args);
}

void exercise_lanes(const LaneArgs& args) {
  simd::exercise_lanes<simd::Avx2x16>(args);
}

}  // namespace octet::ops::avx2

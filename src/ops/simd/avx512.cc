// The array kernels of simd/map.h for AVX-512.
#include "ops/simd/avx512.h"

#include "ops/simd/map_kernel.h"

namespace octet::ops::avx512 {

void map(const MapArgs& args) {
  simd::map<simd::Avx512x16>(args);
}

void exercise_lanes(const LaneArgs& args) {
  simd::exercise_lanes<simd::Avx512x16>(args);
}

}  // namespace octet::ops::avx512

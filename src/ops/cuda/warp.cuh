// Values of a warp's lanes brought together; every lane gets the same bits.
#pragma once

#include "ops/cuda/launch.cuh"

namespace octet::ops::cuda {

constexpr unsigned kWholeWarp = 0xffffffffu;

__device__ inline float sum_of_warp(float value) {
  for (int offset = 16; offset > 0; offset /= 2)
    value += __shfl_xor_sync(kWholeWarp, value, offset);
  return value;
}

__device__ inline float max_of_warp(float value) {
  for (int offset = 16; offset > 0; offset /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kWholeWarp, value, offset));
  }
  return value;
}

}  // namespace octet::ops::cuda

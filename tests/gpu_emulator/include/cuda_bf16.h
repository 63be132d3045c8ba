// CUDA's bfloat16, for kernels that run on a CPU.
#pragma once

#include "base/half.h"
#include "gpu_emulator/cuda.h"

struct __nv_bfloat16 {
  uint16_t bits;
};

inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  return {octet::float_to_bf16(value)};
}
inline float __bfloat162float(__nv_bfloat16 value) {
  return octet::bf16_to_float(value.bits);
}
inline uint16_t __bfloat16_as_ushort(__nv_bfloat16 value) {
  return value.bits;
}

// CUDA's half, for kernels that run on a CPU.
#pragma once

#include "base/half.h"
#include "gpu_emulator/cuda.h"

struct __half {
  uint16_t bits;
};
struct alignas(4) __half2 {
  __half x, y;
};

inline __half __float2half_rn(float value) {
  return {octet::float_to_f16(value)};
}
inline float __half2float(__half value) {
  return octet::f16_to_float(value.bits);
}
inline uint16_t __half_as_ushort(__half value) {
  return value.bits;
}
inline float2 __half22float2(__half2 value) {
  return {__half2float(value.x), __half2float(value.y)};
}

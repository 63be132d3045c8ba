// One float of one GPU thread as a lane type (ops/simd/lanes.h): what is written over lanes gives
// the same bits here as on CPUs. Files are compiled with --fmad=false --ftz=true.
#pragma once

#include <cstdint>

#include "ops/simd/lanes.h"

namespace octet::ops::cuda {

struct Lane {
  struct Bits {
    uint32_t value;
    __device__ static Bits broadcast(uint32_t value) { return {value}; }
    __device__ friend Bits operator+(Bits a, Bits b) { return {a.value + b.value}; }
    __device__ friend Bits operator-(Bits a, Bits b) { return {a.value - b.value}; }
    __device__ friend Bits operator&(Bits a, Bits b) { return {a.value & b.value}; }
    __device__ friend Bits operator|(Bits a, Bits b) { return {a.value | b.value}; }
    template <int kCount>
    __device__ friend Bits shift_left(Bits a) {
      return {a.value << kCount};
    }
    template <int kCount>
    __device__ friend Bits shift_right(Bits a) {
      return {a.value >> kCount};
    }
  };
  using Mask = bool;

  float value;

  __device__ static Lane broadcast(float value) { return {value}; }
  __device__ static Lane zero() { return {0.0f}; }
  __device__ Bits bits() const { return {__float_as_uint(value)}; }
  __device__ static Lane from_bits(Bits bits) { return {__uint_as_float(bits.value)}; }

  __device__ friend Lane operator+(Lane a, Lane b) { return {__fadd_rn(a.value, b.value)}; }
  __device__ friend Lane operator-(Lane a, Lane b) { return {__fsub_rn(a.value, b.value)}; }
  __device__ friend Lane operator*(Lane a, Lane b) { return {__fmul_rn(a.value, b.value)}; }
  __device__ friend Lane operator/(Lane a, Lane b) { return {__fdiv_rn(a.value, b.value)}; }
  __device__ friend Lane fma(Lane a, Lane b, Lane c) {
    return {__fmaf_rn(a.value, b.value, c.value)};
  }
  __device__ friend Lane abs(Lane a) { return from_bits(a.bits() & Bits{0x7fffffffu}); }
  __device__ friend Lane max(Lane a, Lane b) { return a.value > b.value ? a : b; }
  __device__ friend Lane min(Lane a, Lane b) { return a.value < b.value ? a : b; }
  __device__ friend Mask less(Lane a, Lane b) { return a.value < b.value; }
  __device__ friend Lane select(Mask mask, Lane yes, Lane no) { return mask ? yes : no; }
};

}  // namespace octet::ops::cuda

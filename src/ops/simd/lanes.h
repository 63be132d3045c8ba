// What a lane type is: 16 floats worked on together, so that a kernel is written once as a template
// and instantiated in the file of each instruction set.
//
// Scalar16 (scalar.h), Avx2x16 (avx2.h) and Avx512x16 (avx512.h) have the same members and free
// functions and give the same bits, as does the single lane of a GPU's thread (ops/cuda/lane.cuh):
// every operation is one correctly rounded IEEE float32 operation per lane. The vector headers
// compile only in files built for that instruction set.
//
//   V::load(p)  V::load_partial(p, n)  V::load_f16(p)  V::load_bf16(p)  V::broadcast(x)  V::zero()
//   v.store(p)  v.store_partial(p, n)      the first n lanes, 0 ≤ n ≤ 16; loads fill with +0
//   a + b  a - b  a * b  a / b  fma(a, b, c) = a·b + c  sqrt(a)  abs(a)
//   rint(a)                                to nearest, ties to even; the sign of zero is kept
//   max(a, b) = a > b ? a : b              min(a, b) = a < b ? a : b, so a NaN in either gives b,
//                                          and max(+0, -0) = -0
//   less(a, b)  less_equal(a, b)  equal(a, b) → V::Mask      false where an operand is NaN
//   V::first(n) → V::Mask                  the first n lanes
//   select(mask, yes, no)  keep_first(v, n)                  the latter: +0 from lane n on
//   v.bits() → V::Bits  V::from_bits(b)    the 16 patterns; on Bits: + - (modulo 2³²) & | ^,
//                                          shift_left<n>, shift_right<n> (logical), broadcast
//   reduce_add(v)  reduce_max(v) → float   a tree: lane i with lane i+8, then +4, +2, +1
//
// With FTZ and DAZ set (as every thread of a team has them) denormal arguments and results of
// arithmetic, max, min and comparisons count as zero; load, store, bits, abs and select move
// patterns unchanged. A NaN result is a NaN everywhere, but its payload may differ.
//
// Everything is always inlined: a function emitted out of line in a file built for AVX-512 could
// be the copy the linker keeps for everyone.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define OCTET_LANES __host__ __device__ inline __attribute__((always_inline))
#else
#define OCTET_LANES inline __attribute__((always_inline))
#endif
/// The same for a lambda, after its parameters.
#define OCTET_LANES_LAMBDA __attribute__((always_inline))

namespace octet::ops::simd {

/// Lanes of every lane type, on every instruction set.
inline constexpr int64_t kLanes = 16;

}  // namespace octet::ops::simd

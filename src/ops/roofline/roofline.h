// What measures a machine's ceilings: its fastest multiply-adds from registers, and reading memory.
#pragma once

#include <cstdint>
#include <span>

#include "ops/registry.h"

namespace octet::ops {

/// Codes and numbers a peak kernel multiplies: its operands repeat a[0..64)·b[0..64) in whole, so
/// that what its accumulators hold in the end tells how many multiply-adds were really done. Not
/// zeros, with which a product needs less power and runs faster.
struct PeakOperands {
  uint8_t a8[64];  ///< at most 127
  int8_t b8[64];   ///< in [-63, 63]: _mm256_maddubs_epi16 does not saturate
  float a[64];     ///< small integers: sums are exact below 2^24, and exact in bfloat16
  float b[64];
};
const PeakOperands& peak_operands();

struct PeakResult {
  int64_t multiply_adds = 0;
  /// Sum of all accumulators, modulo 2^32 (floats converted first: exact for few rounds).
  uint32_t checksum = 0;
};

/// Multiplies `rounds` times with as many independent accumulators as hide the latency.
using PeakFunction = PeakResult(int64_t rounds);

/// int8 × int8 → int32, with the instruction that the level's product uses.
std::span<const Kernel<PeakFunction>> int8_peak_kernels();
/// float32 fused multiply-adds.
std::span<const Kernel<PeakFunction>> float32_peak_kernels();
/// bfloat16 × bfloat16 → float32: tiles or dot products of pairs where there are any,
/// else float32 multiply-adds.
std::span<const Kernel<PeakFunction>> bfloat16_peak_kernels();

/// Reads `words` 64-bit words, a multiple of kReadStreams · 8, once, as kReadStreams streams with
/// prefetches ahead of each, and returns their exclusive or.
inline constexpr int64_t kReadStreams = 4;
using ReadMemoryFunction = uint64_t(const uint64_t* data, int64_t words);
std::span<const Kernel<ReadMemoryFunction>> read_memory_kernels();

}  // namespace octet::ops

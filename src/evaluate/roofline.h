// A machine's ceilings with a given team of threads: what no product can be faster than.
#pragma once

#include <cstdint>
#include <functional>

#include "device/cpu.h"

namespace octet::evaluate {

/// Operations are multiplications and additions, two for each multiply-add.
struct Roofline {
  double int8_per_s = 0;          ///< int8 operations, from registers
  double bfloat16_per_s = 0;      ///< with tiles; else float32 operations
  double float32_per_s = 0;       ///< float32 operations, from registers
  double dram_bytes_per_s = 0;    ///< reading what is in no cache
  int64_t dram_buffer_bytes = 0;  ///< what was read
  int64_t cache_bytes = 0;        ///< last-level cache; 0: unknown
};

/// The best of several measurements each, in about 2 s. `between` is called now and then; throwing
/// from it stops the measurement. The kernels are those of cpu.features().
Roofline measure_roofline(device::Cpu& cpu, const std::function<void()>& between = {});

/// Bytes that no cache holds: four last-level caches, at least 256 MiB, at most a quarter of the
/// free memory.
int64_t beyond_cache_bytes(int64_t cache_bytes, int64_t available_memory_bytes);

}  // namespace octet::evaluate

// What a GPU's memory can deliver.
#pragma once

#include <cstdint>

#include "device/gpu_memory.h"

namespace octet::ops::cuda {

/// Reads `bytes` (a multiple of 16) once, by all multiprocessors; `sums` has room for kReadSums.
inline constexpr int64_t kReadSums = 4096;
void read_memory(const void* memory, int64_t bytes, uint32_t* sums, device::Stream stream);

/// Fills memory with pseudo-random words whose bytes are never −128.
void fill_random(void* memory, int64_t bytes, uint32_t seed, device::Stream stream);

/// Fills memory with pseudo-random bfloat16 values in [−2, 2].
void fill_random_bf16(void* memory, int64_t count, uint32_t seed, device::Stream stream);

}  // namespace octet::ops::cuda

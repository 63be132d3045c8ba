// What gpu_memory.cc asks of CUDA; everybody else goes through gpu_memory.h.
#pragma once

#include <cstdint>

namespace octet::device {

/// Number of the GPU that the calling thread works with.
int current_gpu();
/// Memory of it, or null when there is no room.
void* driver_allocate(int64_t bytes);
void driver_free(void* memory) noexcept;

}  // namespace octet::device

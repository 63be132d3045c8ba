// Starting kernels, and their dynamic shared memory: what nvcc has syntax of its own for.
//
// Kernels are ordinary C++ but for what is here and for the inline assembly of their smallest
// functions: tests run them without a GPU (tests/gpu_emulator has a file of this name).
#pragma once

#include <cstddef>

#include "device/gpu_memory.h"

/// Shared memory whose size the launch gives.
#define OCTET_DYNAMIC_SHARED(type, name) extern __shared__ __align__(128) type name[]

namespace octet::ops::cuda {

/// Starts the kernel; device::check_launch tells what became of it.
template <typename... Parameters, typename... Arguments>
void run_kernel(void (*kernel)(Parameters...), dim3 blocks, int threads, int64_t shared_bytes,
                device::Stream stream, const Arguments&... arguments) {
  constexpr int64_t kWithoutAsking = 48 << 10;
  if (shared_bytes > kWithoutAsking) {
    cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                         static_cast<int>(shared_bytes));
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = blocks;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = stream;
  cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

}  // namespace octet::ops::cuda

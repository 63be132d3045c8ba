// Starting kernels, and their dynamic shared memory: what nvcc has syntax of its own for.
//
// Kernels are ordinary C++ but for what is here and for the inline assembly of their smallest
// functions: tests run them without a GPU (tests/gpu_emulator has a file of this name).
#pragma once

#include <cstddef>

#include "device/gpu_choices.h"
#include "device/gpu_memory.h"

/// Shared memory whose size the launch gives.
#define OCTET_DYNAMIC_SHARED(type, name) extern __shared__ __align__(128) type name[]

namespace octet::ops::cuda {

/// A kernel that run_kernel_early starts calls both. Before wait_for_earlier_kernels it touches
/// nothing that another kernel writes, nor writes anything; after it, it reads such memory by plain
/// loads, as the read-only path (__ldg) may hold what was there when it started.
__device__ __forceinline__ void wait_for_earlier_kernels() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
/// Once all blocks of this kernel have come here, those of the next may take what room they leave.
__device__ __forceinline__ void let_next_kernel_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

template <typename... Parameters, typename... Arguments>
void run_with(bool early, void (*kernel)(Parameters...), dim3 blocks, int threads,
              int64_t shared_bytes, device::Stream stream, const Arguments&... arguments) {
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
  cudaLaunchAttribute attribute = {};
  if (early) {
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    config.attrs = &attribute;
    config.numAttrs = 1;
  }
  cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

/// Starts the kernel; device::check_launch tells what became of it.
template <typename... Parameters, typename... Arguments>
void run_kernel(void (*kernel)(Parameters...), dim3 blocks, int threads, int64_t shared_bytes,
                device::Stream stream, const Arguments&... arguments) {
  run_with(false, kernel, blocks, threads, shared_bytes, stream, arguments...);
}

/// Starts the kernel, where GPU and settings let it, while the one before it still runs; that one
/// must be a kernel too.
template <typename... Parameters, typename... Arguments>
void run_kernel_early(void (*kernel)(Parameters...), dim3 blocks, int threads, int64_t shared_bytes,
                      device::Stream stream, const Arguments&... arguments) {
  run_with(device::kernels_overlap(), kernel, blocks, threads, shared_bytes, stream, arguments...);
}

}  // namespace octet::ops::cuda

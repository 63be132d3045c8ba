// What kernels use of CUDA C++, for a build that runs them on a CPU (emulator.cc).
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#include "device/gpu_memory.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
/// One block runs at a time, so that one of each is enough.
#define __shared__ static
#define OCTET_DYNAMIC_SHARED(type, name) \
  type* const name = reinterpret_cast<type*>(::octet::gpu_emulator::dynamic_shared())

struct dim3 {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

namespace octet::gpu_emulator {

/// Does the work, or, while a graph is recorded, puts it there.
void submit(std::function<void()> work);
/// Runs body() once for every thread of every block, block after block.
void run(dim3 blocks, int threads, int64_t shared_bytes, const std::function<void()>& body);
std::byte* dynamic_shared();
/// Lets the block's other threads go on.
void yield();
/// Notes that the thread waited for earlier kernels.
void note_wait_for_earlier_kernels();
/// As `run`, and aborts when a thread ends that did not wait for earlier kernels.
void run_early(dim3 blocks, int threads, int64_t shared_bytes, const std::function<void()>& body);
/// Waits for all threads of the block, or of the warp, that have not ended.
void wait_for_block();
void wait_for_warp();
/// Gives every lane's words to the whole warp: [32][count].
const uint32_t* exchange(const uint32_t* words, int count);

/// The thread that runs.
extern dim3 thread_index;
extern dim3 block_index;
extern dim3 block_size;
extern dim3 grid_size;

}  // namespace octet::gpu_emulator

#define threadIdx ::octet::gpu_emulator::thread_index
#define blockIdx ::octet::gpu_emulator::block_index
#define blockDim ::octet::gpu_emulator::block_size
#define gridDim ::octet::gpu_emulator::grid_size

inline void __syncthreads() {
  octet::gpu_emulator::wait_for_block();
}
inline void __threadfence() {}
inline void __syncwarp() {
  octet::gpu_emulator::wait_for_warp();
}

template <typename T>
T __shfl_sync(unsigned, T value, int lane) {
  static_assert(sizeof(T) == 4);
  const auto word = std::bit_cast<uint32_t>(value);
  return std::bit_cast<T>(octet::gpu_emulator::exchange(&word, 1)[lane]);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int offset) {
  return __shfl_sync(mask, value, static_cast<int>(threadIdx.x % 32) ^ offset);
}

inline float __uint_as_float(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
inline uint32_t __float_as_uint(float value) {
  return std::bit_cast<uint32_t>(value);
}
inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fsub_rn(float a, float b) {
  return a - b;
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __fdiv_rn(float a, float b) {
  return a / b;
}
inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline float __ll2float_rn(long long value) {
  return static_cast<float>(value);
}

template <typename T>
T __ldg(const T* from) {
  return *from;
}
template <typename T>
T __ldcg(const T* from) {
  return *from;
}
template <typename T>
T __ldcs(const T* from) {
  return *from;
}
template <typename T, typename U>
T atomicAdd(T* to, U value) {
  const T old = *to;
  *to += static_cast<T>(value);
  return old;
}
inline unsigned long long atomicMin(unsigned long long* to, unsigned long long value) {
  const unsigned long long old = *to;
  if (value < old) *to = value;
  return old;
}

namespace octet::ops::cuda {

template <typename T>
T max(T a, T b) {
  return a < b ? b : a;
}
template <typename T>
T min(T a, T b) {
  return b < a ? b : a;
}

template <typename... Parameters, typename... Arguments>
void run_kernel(void (*kernel)(Parameters...), dim3 blocks, int threads, int64_t shared_bytes,
                device::Stream, const Arguments&... arguments) {
  gpu_emulator::submit([=] {
    gpu_emulator::run(blocks, threads, shared_bytes,
                      [&] { kernel(static_cast<Parameters>(arguments)...); });
  });
}

template <typename... Parameters, typename... Arguments>
void run_kernel_early(void (*kernel)(Parameters...), dim3 blocks, int threads, int64_t shared_bytes,
                      device::Stream, const Arguments&... arguments) {
  gpu_emulator::submit([=] {
    gpu_emulator::run_early(blocks, threads, shared_bytes,
                            [&] { kernel(static_cast<Parameters>(arguments)...); });
  });
}
inline void wait_for_earlier_kernels() {
  gpu_emulator::note_wait_for_earlier_kernels();
}
inline void let_next_kernel_start() {}

/// A lane's operands of a tensor-core instruction.
struct MmaOperands {
  uint32_t a[4];
  uint32_t b[2];
};
void emulated_mma_s8(int32_t (&c)[4], const MmaOperands& mine);
/// Sums in float, as tensor cores do up to the order and rounding of their sums.
void emulated_mma16(float (&c)[4], const MmaOperands& mine, bool f16);

}  // namespace octet::ops::cuda

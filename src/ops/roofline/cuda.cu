// What a GPU's memory can deliver.
#include <cuda_bf16.h>

#include "ops/cuda/launch.cuh"
#include "ops/roofline/cuda.h"

namespace octet::ops::cuda {

namespace {

constexpr int kThreads = 512;
constexpr int kBlocks = 1056;  // a multiple of usual counts of multiprocessors

__global__ __launch_bounds__(kThreads) void read_kernel(const uint4* memory, int64_t count,
                                                        uint32_t* sums) {
  constexpr int kAhead = 8;
  uint32_t sum = 0;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x; i < count;
       i += stride * kAhead) {
    uint4 v[kAhead];
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      v[j] = i + j * stride < count ? __ldcs(memory + i + j * stride) : uint4{0, 0, 0, 0};
    }
#pragma unroll
    for (int j = 0; j < kAhead; ++j) sum += v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
  }
  if (sum == 0x12345678u) sums[blockIdx.x % kReadSums] = sum;  // so that nothing is left out
}

__device__ uint32_t mixed(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

__global__ void fill_kernel(uint32_t* memory, int64_t count, uint32_t seed) {
  for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    const uint32_t bits = mixed(static_cast<uint32_t>(i) * 2654435761u + seed);
    uint32_t word = 0;
    for (int byte = 0; byte < 4; ++byte) {
      const int value = static_cast<int>((bits >> (8 * byte)) & 0xffu) - 128;
      word |= (static_cast<uint32_t>(value == -128 ? 0 : value) & 0xffu) << (8 * byte);
    }
    memory[i] = word;
  }
}

__global__ void fill_bf16_kernel(__nv_bfloat16* memory, int64_t count, uint32_t seed) {
  for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    const uint32_t bits = mixed(static_cast<uint32_t>(i) * 2654435761u + seed);
    memory[i] = __float2bfloat16_rn(static_cast<float>(bits & 0xffffu) * (4.0f / 65535) - 2);
  }
}

}  // namespace

void read_memory(const void* memory, int64_t bytes, uint32_t* sums, device::Stream stream) {
  run_kernel(read_kernel, kBlocks, kThreads, 0, stream, static_cast<const uint4*>(memory),
             bytes / 16, sums);
  device::check_launch("read_memory");
}

void fill_random(void* memory, int64_t bytes, uint32_t seed, device::Stream stream) {
  run_kernel(fill_kernel, kBlocks, kThreads, 0, stream, static_cast<uint32_t*>(memory), bytes / 4,
             seed);
  device::check_launch("fill_random");
}

void fill_random_bf16(void* memory, int64_t count, uint32_t seed, device::Stream stream) {
  run_kernel(fill_bf16_kernel, kBlocks, kThreads, 0, stream, static_cast<__nv_bfloat16*>(memory),
             count, seed);
  device::check_launch("fill_random_bf16");
}

}  // namespace octet::ops::cuda

// The product of a group of up to 16 code rows, which costs the bytes of the weights.
#pragma once

#include "ops/cuda/product_epilogue.cuh"

namespace octet::ops::cuda {

constexpr int kProductThreads = 256;
constexpr int kWarps = kProductThreads / 32;
/// Groups of 8 outputs of a block of rows_kernel.
constexpr int kRowsTiles = 2;

__device__ __forceinline__ void copy_chunk(std::byte* shared, const std::byte* global,
                                           bool inside) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = inside ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes));
#else
  *reinterpret_cast<uint4*>(shared) =
      inside ? *reinterpret_cast<const uint4*>(global) : uint4{0, 0, 0, 0};
#endif
}

__device__ __forceinline__ void commit_chunks() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;");
#endif
}

template <int kPending>
__device__ __forceinline__ void wait_for_chunks() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending));
#endif
}

/// Weights on their way to one lane: what it reads itself, so that nobody has to wait for others.
/// Little's law: at 4.8 TB/s and some 800 ns of latency, 3.8 MB must be on their way, 29 KB for
/// each of 132 multiprocessors. A block has up to 32 KB of them, and a multiprocessor three to four
/// blocks, as long as there are so many; two do when one combines its sums.
template <int kTiles>
struct WeightRing {
  static constexpr int kSteps = 4;
  static constexpr int kStepChunks = kTiles * kProductThreads;
  static constexpr int64_t kBytes = int64_t{16} * kSteps * kStepChunks;

  std::byte* lane;  // of the ring's first step
  const std::byte* from;
  int64_t tile_bytes;

  __device__ WeightRing(std::byte* ring, const std::byte* lane_weights, int64_t k_bytes)
      : lane(ring + threadIdx.x * 16), from(lane_weights), tile_bytes(8 * k_bytes) {}

  __device__ __forceinline__ void load(int64_t step, bool inside) const {
    std::byte* to = lane + step % kSteps * (kStepChunks * 16);
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      copy_chunk(to + j * (kProductThreads * 16),
                 inside ? from + j * tile_bytes + step * kKStepBytes : from, inside);
    }
    commit_chunks();
  }
  __device__ __forceinline__ uint4 weights(int64_t step, int j) const {
    return *reinterpret_cast<const uint4*>(lane + step % kSteps * (kStepChunks * 16) +
                                           j * (kProductThreads * 16));
  }
};

/// One group of code rows, 16 outputs for each block; its warps take the segments of K.
template <Element kElement, int kPlanes>
__global__ __launch_bounds__(kProductThreads) void rows_kernel(Product p) {
  using Sum = typename Accumulator<kElement>::Type;
  constexpr int kTiles = kRowsTiles;
  using Ring = WeightRing<kTiles>;
  constexpr int kAhead = Ring::kSteps;
  OCTET_DYNAMIC_SHARED(std::byte, ring_memory);
  __shared__ Sum sums[kWarps][16][8 * kTiles + 1];
  __shared__ float kept[16][8 * kTiles + 1];
  let_next_kernel_start();
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int g = lane / 4;
  const int q = lane % 4;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * (8 * kTiles);
  const int64_t steps = p.k_bytes / kKStepBytes;
  const int64_t segment = segment_steps(p.k_bytes);
  const int64_t first = warp * segment;
  const int64_t end = min(first + segment, steps);
  const Ring ring(ring_memory,
                  static_cast<const std::byte*>(p.b) + (column + g) * p.k_bytes + q * 16,
                  p.k_bytes);
  // The weights are nobody's result: their loads need not wait for the kernel that makes the rows.
#pragma unroll
  for (int i = 0; i < kAhead; ++i) ring.load(first + i, first + i < end);
  wait_for_earlier_kernels();
  const int64_t rows =
      p.active_rows != nullptr ? min(static_cast<int64_t>(*p.active_rows), p.rows) : p.rows;
  if (rows == 0) {
    wait_for_chunks<0>();
    return;
  }
  const bool has_low = g < rows;
  const bool has_high = kPlanes == 2 ? has_low : g + 8 < rows;
  const auto* a = static_cast<const std::byte*>(p.a) + g * p.k_bytes + q * 16;
  Sum c[kTiles][4] = {};
  const uint4 none = {0, 0, 0, 0};
  for (int64_t step = first; step < end; step += kAhead) {
    uint4 low[kAhead];
    uint4 high[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const bool inside = step + i < end;
      const int64_t offset = (step + i) * kKStepBytes;
      low[i] = inside && has_low ? *reinterpret_cast<const uint4*>(a + offset) : none;
      high[i] =
          inside && has_high ? *reinterpret_cast<const uint4*>(a + 8 * p.k_bytes + offset) : none;
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      wait_for_chunks<kAhead - 1>();
      uint4 weights[kTiles];
#pragma unroll
      for (int j = 0; j < kTiles; ++j) weights[j] = ring.weights(step + i, j);
      ring.load(step + i + kAhead, step + i + kAhead < end);
#pragma unroll
      for (int j = 0; j < kTiles; ++j) multiply_step<kElement>(c[j], low[i], high[i], weights[j]);
    }
  }
  wait_for_chunks<0>();
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[warp][g + i / 2 * 8][j * 8 + 2 * q + i % 2] = c[j][i];
  }
  if (p.epilogue.kept_a != nullptr) {
    // Of one plane the 16 rows are two groups of the kept columns.
    constexpr int kGroups = 2 / kPlanes;
    for (int task = warp; task < kGroups * kTiles; task += kWarps) {
      const int group = task / kTiles;
      const int j = task % kTiles;
      if (group * 8 >= rows) continue;
      const float2 product = kept_product(p.epilogue, group, column + j * 8);
      kept[group * 8 + g][j * 8 + 2 * q] = product.x;
      kept[group * 8 + g][j * 8 + 2 * q + 1] = product.y;
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < rows * 8 * kTiles; i += kProductThreads) {
    const int row = i / (8 * kTiles);
    const int n = i % (8 * kTiles);
    if (column + n >= p.columns) continue;
    Sum total = sums[0][row][n];
    Sum second = kPlanes == 2 ? sums[0][row + 8][n] : Sum{0};
    for (int w = 1; w < kWarps; ++w) {
      total += sums[w][row][n];
      if (kPlanes == 2) second += sums[w][row + 8][n];
    }
    if constexpr (kElement == Element::s8 && kPlanes == 1) {
      if (p.epilogue.sums != nullptr) {
        p.epilogue.sums[row * p.epilogue.out_stride + column + n] = total;
        continue;
      }
    }
    const float factor = p.epilogue.row_factors[row];
    finish(p.epilogue, SumsOf<kElement, kPlanes>::scaled(total, second, factor), kept[row][n], row,
           column + n);
  }
}

}  // namespace octet::ops::cuda

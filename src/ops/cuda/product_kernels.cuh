// The kernels behind ops/cuda/product.h: `rows_kernel` for a group of up to 16 code rows, which
// costs the bytes of the weights, and `tile_kernel` for more.
#pragma once

#include <algorithm>

#include "ops/cuda/launch.cuh"
#include "ops/cuda/mma.cuh"
#include "ops/cuda/product.h"

namespace octet::ops::cuda {

constexpr int kProductThreads = 256;
constexpr int kWarps = kProductThreads / 32;
/// Groups of 8 outputs of a block of rows_kernel.
constexpr int kRowsTiles = 2;

/// How the rows of one tensor-core result belong to activation rows.
template <Element kElement, int kPlanes>
struct SumsOf {
  using Sum = typename Accumulator<kElement>::Type;
  /// sum · row factor, from the first and second plane's sums.
  __device__ static float scaled(Sum first, Sum second, float factor) {
    if constexpr (kElement == Element::s8 && kPlanes == 2) {
      return __ll2float_rn(static_cast<long long>(first) * 128 + second) * factor;
    } else if constexpr (kElement == Element::s8) {
      return static_cast<float>(first) * factor;
    } else {
      return (kPlanes == 2 ? first + second : first) * factor;
    }
  }
};

__device__ inline void finish(const ProductEpilogue& e, float value, float kept, int64_t row,
                              int64_t column) {
  if (e.extra_slots != nullptr) {
    const int32_t slot = e.extra_slots[row];
    if (slot >= 0) {
      value +=
          static_cast<float>(e.extra_sums[slot * e.extra_stride + column]) * e.extra_factors[row];
    }
  }
  if (e.column_factors != nullptr) value *= e.column_factors[column];
  if (e.kept_a != nullptr) value += kept * e.kept_scales[row];
  if (e.bias != nullptr) value += e.bias[column];
  if (e.residual != nullptr) value += e.residual[row * e.residual_stride + column];
  e.out[row * e.out_stride + column] = value;
}

/// The product of the kept columns of 8 rows (`group`) and 8 outputs from `column` on; the lane's
/// are row group·8 + lane/4 and outputs column + 2·(lane % 4) and the next one.
__device__ inline float2 kept_product(const ProductEpilogue& e, int64_t group, int64_t column) {
  const int lane = threadIdx.x % 32;
  const int64_t offset = lane % 4 * 8;
  const uint16_t* a = e.kept_a + (group * 16 + lane / 4) * e.kept_k + offset;
  const uint16_t* b = e.kept_b + (column + lane / 4) * e.kept_k + offset;
  float c[4] = {0, 0, 0, 0};
  for (int64_t k = 0; k < e.kept_k; k += 32) {
    const uint4 low = *reinterpret_cast<const uint4*>(a + k);
    const uint4 high = *reinterpret_cast<const uint4*>(a + 8 * e.kept_k + k);
    const uint4 weights = __ldg(reinterpret_cast<const uint4*>(b + k));
    if (e.kept_type == SixteenBit::f16) {
      multiply_step<Element::f16>(c, low, high, weights);
    } else {
      multiply_step<Element::bf16>(c, low, high, weights);
    }
  }
  return {c[0] + c[2], c[1] + c[3]};
}

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

/// Tiles of kRows code rows × 128 outputs; K in stages of 128 bytes through shared memory.
template <int kRows>
struct Tile {
  static constexpr int kColumns = 128;
  static constexpr int kStageK = 128;
  static constexpr int kRowWarps = 2;
  static constexpr int kColumnWarps = kWarps / kRowWarps;
  static constexpr int kWarpRows = kRows / kRowWarps / 16;          // in tensor-core results
  static constexpr int kWarpColumns = kColumns / kColumnWarps / 8;  // likewise
  static constexpr int kStages = kRows == 64 ? 4 : 3;
  static constexpr int kStageBytes = (kRows + kColumns) * kStageK;
};

/// Bytes of a row of a stage lie in 8 chunks of 16; odd rows swap the halves, so that the lanes of
/// a quarter warp read from all banks.
__device__ __forceinline__ int chunk_offset(int row, int chunk) {
  return row * 128 + ((chunk ^ ((row & 1) << 2)) << 4);
}

template <int kRows>
__device__ __forceinline__ void load_stage(const Product& p, std::byte* stage, int64_t first_row,
                                           int64_t first_column, int64_t code_row_count,
                                           int64_t column_count, int64_t k, int64_t k_end) {
  using T = Tile<kRows>;
  constexpr int kChunks = (kRows + T::kColumns) * 8;
#pragma unroll
  for (int i = 0; i < kChunks / kProductThreads; ++i) {
    const int index = i * kProductThreads + threadIdx.x;
    const int row = index / 8;
    const int chunk = index % 8;
    const int64_t offset = k + chunk * 16;
    const bool of_a = row < kRows;
    const int64_t at = of_a ? first_row + row : first_column + row - kRows;
    const bool inside = offset < k_end && at < (of_a ? code_row_count : column_count);
    const auto* base = static_cast<const std::byte*>(of_a ? p.a : p.b);
    copy_chunk(stage + chunk_offset(row, chunk), inside ? base + at * p.k_bytes + offset : base,
               inside);
  }
}

/// Writes a warp's results; `sums`: its tile's, in tensor-core results.
template <Element kElement, int kPlanes, int kRows>
__device__ __forceinline__ void finish_tile(
    const Product& p, int64_t rows, int64_t first_row, int64_t first_column,
    typename Accumulator<kElement>::Type (
        &sums)[Tile<kRows>::kWarpRows][Tile<kRows>::kWarpColumns][4]) {
  using T = Tile<kRows>;
  const int lane = threadIdx.x % 32;
  const int g = lane / 4;
  const int q = lane % 4;
#pragma unroll
  for (int i = 0; i < T::kWarpRows; ++i) {
    const int64_t group = (first_row + i * 16) / 16;  // of code rows
#pragma unroll
    for (int j = 0; j < T::kWarpColumns; ++j) {
      const int64_t tile_column = first_column + j * 8;
      if (tile_column >= p.columns) continue;
#pragma unroll
      for (int half = 0; half < 2 / kPlanes; ++half) {
        const int64_t kept_group = kPlanes == 2 ? group : group * 2 + half;
        if (kept_group * 8 >= rows) continue;
        const int64_t row = kept_group * 8 + g;
        float2 kept = {0, 0};
        if (p.epilogue.kept_a != nullptr) {
          kept = kept_product(p.epilogue, kept_group, tile_column);
        }
        if (row >= rows) continue;
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          const int64_t column = tile_column + 2 * q + n;
          if (column >= p.columns) continue;
          if constexpr (kElement == Element::s8 && kPlanes == 1) {
            if (p.epilogue.sums != nullptr) {
              p.epilogue.sums[row * p.epilogue.out_stride + column] = sums[i][j][half * 2 + n];
              continue;
            }
          }
          const float value = SumsOf<kElement, kPlanes>::scaled(
              sums[i][j][half * 2 + n], sums[i][j][2 + n], p.epilogue.row_factors[row]);
          finish(p.epilogue, value, n == 0 ? kept.x : kept.y, row, column);
        }
      }
    }
  }
}

/// True in the block that comes last of those that share a tile; it has everybody's sums then.
template <Element kElement, int kRows>
__device__ __forceinline__ bool combine_splits(
    const Product& p, typename Accumulator<kElement>::Type (
                          &sums)[Tile<kRows>::kWarpRows][Tile<kRows>::kWarpColumns][4]) {
  using T = Tile<kRows>;
  using Sum = typename Accumulator<kElement>::Type;
  constexpr int kCount = T::kWarpRows * T::kWarpColumns * 4;
  const int64_t tile = static_cast<int64_t>(blockIdx.y) * gridDim.x + blockIdx.x;
  Sum* mine = reinterpret_cast<Sum*>(p.workspace.partial) +
              (tile * gridDim.z + blockIdx.z) * kCount * kProductThreads + threadIdx.x;
  Sum* flat = &sums[0][0][0];
#pragma unroll
  for (int i = 0; i < kCount; ++i) mine[i * kProductThreads] = flat[i];
  __threadfence();
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicAdd(&p.workspace.counters[tile], 1u) == gridDim.z - 1;
    if (last) p.workspace.counters[tile] = 0;
  }
  __syncthreads();
  if (!last) return false;
  __threadfence();
  const Sum* all = reinterpret_cast<const Sum*>(p.workspace.partial) +
                   tile * gridDim.z * kCount * kProductThreads + threadIdx.x;
#pragma unroll
  for (int i = 0; i < kCount; ++i) flat[i] = __ldcg(all + i * kProductThreads);
  for (unsigned z = 1; z < gridDim.z; ++z) {
    all += kCount * kProductThreads;
#pragma unroll
    for (int i = 0; i < kCount; ++i) flat[i] += __ldcg(all + i * kProductThreads);
  }
  return true;
}

template <Element kElement, int kPlanes, int kRows>
__global__ __launch_bounds__(kProductThreads) void tile_kernel(Product p) {
  using T = Tile<kRows>;
  using Sum = typename Accumulator<kElement>::Type;
  OCTET_DYNAMIC_SHARED(std::byte, stages);
  let_next_kernel_start();
  wait_for_earlier_kernels();
  const int64_t rows =
      p.active_rows != nullptr ? min(static_cast<int64_t>(*p.active_rows), p.rows) : p.rows;
  const int64_t code_row_count = code_rows(rows, kPlanes);
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kRows;
  if (first_row >= code_row_count) return;
  const int64_t first_column = static_cast<int64_t>(blockIdx.x) * T::kColumns;
  const int64_t column_count = rounded_up(p.columns, 16);

  // This block's steps of 64 bytes of K.
  const int64_t steps = p.k_bytes / kKStepBytes;
  const int64_t segment = segment_steps(p.k_bytes);
  int64_t first_step = 0;
  int64_t end_step = steps;
  if (gridDim.z > 1) {
    const int64_t share = kElement == Element::s8 ? (steps + gridDim.z - 1) / gridDim.z : segment;
    first_step = min(blockIdx.z * share, steps);
    end_step = min(first_step + share, steps);
  }
  const int64_t k_end = end_step * kKStepBytes;

  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int g = lane / 4;
  const int q = lane % 4;
  const int warp_row = warp / T::kColumnWarps * T::kWarpRows * 16;
  const int warp_column = warp % T::kColumnWarps * T::kWarpColumns * 8;
  Sum c[T::kWarpRows][T::kWarpColumns][4] = {};
  Sum total[kElement == Element::s8 ? 1 : T::kWarpRows][T::kWarpColumns][4];
  bool first_segment = true;

  const int64_t stage_count = (end_step - first_step + 1) / 2;
#pragma unroll
  for (int s = 0; s < T::kStages - 1; ++s) {
    if (s < stage_count) {
      load_stage<kRows>(p, stages + s * T::kStageBytes, first_row, first_column, code_row_count,
                        column_count, first_step * kKStepBytes + s * T::kStageK, k_end);
    }
    commit_chunks();
  }
  for (int64_t s = 0; s < stage_count; ++s) {
    wait_for_chunks<T::kStages - 2>();
    __syncthreads();
    const int64_t next = s + T::kStages - 1;
    if (next < stage_count) {
      load_stage<kRows>(p, stages + next % T::kStages * T::kStageBytes, first_row, first_column,
                        code_row_count, column_count, first_step * kKStepBytes + next * T::kStageK,
                        k_end);
    }
    commit_chunks();
    const std::byte* stage = stages + s % T::kStages * T::kStageBytes;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t step = first_step + s * 2 + half;
      if (step >= end_step) break;
      uint4 weights[T::kWarpColumns];
#pragma unroll
      for (int j = 0; j < T::kWarpColumns; ++j) {
        weights[j] = *reinterpret_cast<const uint4*>(
            stage + chunk_offset(kRows + warp_column + j * 8 + g, half * 4 + q));
      }
#pragma unroll
      for (int i = 0; i < T::kWarpRows; ++i) {
        const int row = warp_row + i * 16 + g;
        const uint4 low = *reinterpret_cast<const uint4*>(stage + chunk_offset(row, half * 4 + q));
        const uint4 high =
            *reinterpret_cast<const uint4*>(stage + chunk_offset(row + 8, half * 4 + q));
#pragma unroll
        for (int j = 0; j < T::kWarpColumns; ++j) {
          multiply_step<kElement>(c[i][j], low, high, weights[j]);
        }
      }
      if constexpr (kElement != Element::s8) {
        if ((step + 1) % segment == 0 || step + 1 == end_step) {
#pragma unroll
          for (int i = 0; i < T::kWarpRows; ++i) {
#pragma unroll
            for (int j = 0; j < T::kWarpColumns; ++j) {
#pragma unroll
              for (int e = 0; e < 4; ++e) {
                total[i][j][e] = first_segment ? c[i][j][e] : total[i][j][e] + c[i][j][e];
                c[i][j][e] = 0;
              }
            }
          }
          first_segment = false;
        }
      }
    }
  }
  wait_for_chunks<0>();
  if constexpr (kElement != Element::s8) {
#pragma unroll
    for (int i = 0; i < T::kWarpRows; ++i) {
#pragma unroll
      for (int j = 0; j < T::kWarpColumns; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) c[i][j][e] = first_segment ? 0 : total[i][j][e];
      }
    }
  }
  if (gridDim.z > 1 && !combine_splits<kElement, kRows>(p, c)) return;
  finish_tile<kElement, kPlanes, kRows>(p, rows, first_row + warp_row, first_column + warp_column,
                                        c);
}

/// Parts of K that make enough blocks: as many as int8 likes, all segments or one otherwise.
template <Element kElement, int kRows>
int splits_for(const Product& p, int64_t tiles) {
  using T = Tile<kRows>;
  const int64_t steps = p.k_bytes / kKStepBytes;
  const int64_t wanted = 2 * p.workspace.multiprocessors / std::max<int64_t>(1, tiles);
  const int64_t tile_bytes = static_cast<int64_t>(kRows) * T::kColumns * 4;
  const int64_t room = std::min(p.workspace.partial_bytes / (tiles * tile_bytes),
                                tiles <= p.workspace.counter_count ? int64_t{64} : int64_t{1});
  if (kElement != Element::s8) return wanted > 1 && room >= kSegments ? kSegments : 1;
  // Not less than 512 bytes of K for each.
  return static_cast<int>(std::max<int64_t>(1, std::min({wanted, steps / 8, room})));
}

template <Element kElement, int kPlanes, int kRows>
void launch_tiles(const Product& p, device::Stream stream) {
  using T = Tile<kRows>;
  constexpr int kBytes = T::kStages * T::kStageBytes;
  const auto x = static_cast<unsigned>(rounded_up(p.columns, T::kColumns) / T::kColumns);
  const auto y = static_cast<unsigned>(rounded_up(code_rows(p.rows, kPlanes), kRows) / kRows);
  const int splits =
      p.active_rows != nullptr ? 1 : splits_for<kElement, kRows>(p, static_cast<int64_t>(x) * y);
  run_kernel_early(tile_kernel<kElement, kPlanes, kRows>, dim3(x, y, static_cast<unsigned>(splits)),
                   kProductThreads, kBytes, stream, p);
}

template <Element kElement, int kPlanes>
void launch(const Product& p, device::Stream stream) {
  if (p.rows == 0) return;
  const int64_t rows = code_rows(p.rows, kPlanes);
  if (rows <= kRowGroup) {
    const auto blocks = static_cast<unsigned>(rounded_up(p.columns, 16) / 16);
    run_kernel_early(rows_kernel<kElement, kPlanes>, blocks, kProductThreads,
                     WeightRing<kRowsTiles>::kBytes, stream, p);
  } else if (rows <= 64) {
    launch_tiles<kElement, kPlanes, 64>(p, stream);
  } else {
    launch_tiles<kElement, kPlanes, 128>(p, stream);
  }
  device::check_launch("a matrix product");
}

}  // namespace octet::ops::cuda

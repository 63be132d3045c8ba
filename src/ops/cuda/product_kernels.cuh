// The kernels behind ops/cuda/product.h: rows_kernel for a group of up to 16 code rows, and here
// `tile_kernel` for more.
#pragma once

#include <algorithm>

#include "ops/cuda/rows_kernel.cuh"

namespace octet::ops::cuda {

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
    const typename Accumulator<kElement>::Type (
        &sums)[Tile<kRows>::kWarpRows][Tile<kRows>::kWarpColumns][4]) {
  using T = Tile<kRows>;
#pragma unroll
  for (int i = 0; i < T::kWarpRows; ++i) {
#pragma unroll
    for (int j = 0; j < T::kWarpColumns; ++j) {
      finish_fragment<kElement, kPlanes>(p, rows, first_row + i * 16, first_column + j * 8,
                                         sums[i][j]);
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

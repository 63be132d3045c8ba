// int8 products of many rows on compute capability 9.0: one warp of a block asks the copy engine
// for stages of K, two warpgroups multiply what has come.
#include "device/gpu_choices.h"
#include "ops/cuda/product_epilogue.cuh"
#include "ops/cuda/warpgroup.cuh"

namespace octet::ops::cuda {

namespace {

constexpr int kWarpgroup = 128;
constexpr int kMultipliers = 2;  // warpgroups
constexpr int kThreads = kWarpgroup * (1 + kMultipliers);
/// A block has 128 × 256 sums: a multiplier reads 10 KB of shared memory in the 128 clocks of a
/// product, 80 of the 128 bytes that a multiprocessor can; with 128 outputs it would be 96 and the
/// copies' share twice as large.
constexpr int kTileRows = 64 * kMultipliers;
constexpr int kStageBytes = (kTileRows + kWarpgroupColumns) * kBoxBytes;
/// 192 of the 227 KB that a block can have.
constexpr int kStages = 4;
constexpr uint32_t kAlignment = 1024;  // of swizzled rows
constexpr int64_t kSharedBytes = int64_t{kStages} * kStageBytes + kAlignment;

#if defined(OCTET_GPU_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

/// The operand whose rows of 128 swizzled bytes begin at a multiple of 1024 in shared memory, from
/// byte k of the rows on: groups of 8 rows lie 1024 bytes apart. Bits 0–13 address, 16–29 a
/// distance that this swizzling has no use for, 32–45 that of the groups, all / 16; 62–63 swizzling
/// of 128.
__device__ __forceinline__ uint64_t operand_at(uint32_t address, int k) {
  return static_cast<uint64_t>((address + static_cast<uint32_t>(k)) >> 4) | (uint64_t{1} << 16) |
         (uint64_t{1024 >> 4} << 32) | (uint64_t{1} << 62);
}

/// Stages that are full, or have been read by all warps of the multipliers.
struct Stages {
  std::byte* memory;
  uint64_t* full;
  uint64_t* empty;

  __device__ std::byte* rows(int64_t stage) const { return memory + stage % kStages * kStageBytes; }
  __device__ std::byte* outputs(int64_t stage) const { return rows(stage) + kTileRows * kBoxBytes; }
  __device__ static uint32_t parity(int64_t stage) {
    return static_cast<uint32_t>(stage / kStages % 2);
  }
};

__device__ __forceinline__ void fill_stages(const TensorMap& a, const TensorMap& b,
                                            const Stages& stages, int64_t count, int64_t first_row,
                                            int64_t first_column) {
  for (int64_t stage = 0; stage < count; ++stage) {
    uint64_t* full = stages.full + stage % kStages;
    if (stage >= kStages) {
      barrier_wait(stages.empty + stage % kStages, Stages::parity(stage - kStages));
    }
    barrier_expect(full, kStageBytes);
    const auto k = static_cast<int32_t>(stage * kBoxBytes);
    copy_box(a, stages.rows(stage), k, static_cast<int32_t>(first_row), full);
    copy_box(b, stages.outputs(stage), k, static_cast<int32_t>(first_column), full);
  }
}

/// The sums of this warpgroup's 64 rows over all stages.
__device__ __forceinline__ void multiply_stages(const Stages& stages, int64_t count, int multiplier,
                                                WarpgroupSums& sums) {
  const bool speaker = threadIdx.x % 32 == 0;
  for (int64_t stage = 0; stage < count; ++stage) {
    barrier_wait(stages.full + stage % kStages, Stages::parity(stage));
    const uint32_t a =
        shared_address(stages.rows(stage)) + static_cast<uint32_t>(multiplier) * (64 * kBoxBytes);
    const uint32_t b = shared_address(stages.outputs(stage));
    products_begin();
#pragma unroll
    for (int k = 0; k < kBoxBytes; k += 32) {
      multiply(sums, operand_at(a, k), operand_at(b, k), stage > 0 || k > 0 ? 1 : 0);
    }
    products_commit();
    // The products of this stage go on while the stage before it is given back.
    products_wait<1>();
    if (stage > 0 && speaker) barrier_arrive(stages.empty + (stage - 1) % kStages);
  }
  products_wait<0>();
  sums_ready(sums);
}

#endif

/// Tiles of code rows are next to each other in the grid: blocks that run together share outputs,
/// whose weights are then read from memory once.
template <int kPlanes>
__global__ __launch_bounds__(kThreads,
                             1) void warpgroup_kernel(Product p,
                                                      const __grid_constant__ TensorMap a,
                                                      const __grid_constant__ TensorMap b) {
#if defined(OCTET_GPU_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  OCTET_DYNAMIC_SHARED(std::byte, memory);
  __shared__ uint64_t full[kStages];
  __shared__ uint64_t empty[kStages];
  let_next_kernel_start();
  const Stages stages = {memory + (kAlignment - shared_address(memory) % kAlignment) % kAlignment,
                         full, empty};
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) {
      barrier_start(full + i, 1);
      barrier_start(empty + i, kMultipliers * kWarpgroup / 32);
    }
    barriers_started();
  }
  __syncthreads();
  wait_for_earlier_kernels();
  const int64_t rows =
      p.active_rows != nullptr ? min(static_cast<int64_t>(*p.active_rows), p.rows) : p.rows;
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kTileRows;
  const int64_t first_column = static_cast<int64_t>(blockIdx.y) * kWarpgroupColumns;
  if (first_row >= code_rows(rows, kPlanes)) return;
  const int64_t count = (p.k_bytes + kBoxBytes - 1) / kBoxBytes;
  const int warpgroup = static_cast<int>(threadIdx.x) / kWarpgroup;
  if (warpgroup == 0) {
    registers_give<40>();
    if (threadIdx.x == 0) fill_stages(a, b, stages, count, first_row, first_column);
    return;
  }
  registers_take<232>();
  WarpgroupSums sums;
  multiply_stages(stages, count, warpgroup - 1, sums);
  const int64_t warp_row = first_row + (static_cast<int64_t>(threadIdx.x) / 32 - 4) * 16;
#pragma unroll
  for (int j = 0; j < kWarpgroupColumns / 8; ++j) {
    const int32_t fragment[4] = {sums[4 * j], sums[4 * j + 1], sums[4 * j + 2], sums[4 * j + 3]};
    finish_fragment<Element::s8, kPlanes>(p, rows, warp_row, first_column + j * 8, fragment);
  }
#endif
}

struct Grid {
  int64_t row_tiles;
  int64_t column_tiles;

  explicit Grid(const Product& p)
      : row_tiles((code_rows(p.rows, p.planes) + kTileRows - 1) / kTileRows),
        column_tiles((p.columns + kWarpgroupColumns - 1) / kWarpgroupColumns) {}
};

template <int kPlanes>
void launch(const Product& p, device::Stream stream) {
  const Grid grid(p);
  const TensorMap a = byte_matrix(p.a, code_rows(p.rows, kPlanes), p.k_bytes, kTileRows);
  const TensorMap b = byte_matrix(p.b, rounded_up(p.columns, 16), p.k_bytes, kWarpgroupColumns);
  run_kernel_early(
      warpgroup_kernel<kPlanes>,
      dim3(static_cast<unsigned>(grid.row_tiles), static_cast<unsigned>(grid.column_tiles)),
      kThreads, kSharedBytes, stream, p, a, b);
}

}  // namespace

bool suits_warpgroups(const Product& product) {
  const Grid grid(product);
  return product.workspace.warpgroups &&
         2 * grid.row_tiles * grid.column_tiles >= product.workspace.multiprocessors;
}

void warpgroup_product(const Product& product, device::Stream stream) {
  if (product.rows == 0) return;
  if (product.planes == 2) {
    launch<2>(product, stream);
  } else {
    launch<1>(product, stream);
  }
  device::check_launch("a product of warpgroups");
}

}  // namespace octet::ops::cuda

// The warpgroup instructions of src/ops/cuda/warpgroup.cuh on a CPU, as late as they may be: a copy
// comes when its barrier is waited for, a product when its group is, so that a kernel that does not
// wait reads what was there before.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu_emulator/cuda.h"
#include "ops/cuda/tensor_map.h"

namespace octet::ops::cuda {

constexpr int kWarpgroupColumns = 256;
constexpr int kWarpgroupSums = 128;
using WarpgroupSums = int32_t[kWarpgroupSums];

uint32_t shared_address(const void* memory);
void barrier_start(uint64_t* barrier, uint32_t arrivals);
inline void barriers_started() {}
void barrier_arrive(uint64_t* barrier);
void barrier_expect(uint64_t* barrier, uint32_t bytes);
void barrier_wait(uint64_t* barrier, uint32_t parity);
void copy_box(const TensorMap& map, std::byte* to, int32_t k, int32_t row, uint64_t* barrier);
template <int kRegisters>
void registers_give() {}
template <int kRegisters>
void registers_take() {}
inline void products_begin() {}
void multiply(WarpgroupSums& sums, uint64_t a, uint64_t b, int add);
void products_commit();
/// Does the committed groups but the last `pending` ones.
void products_finish(int pending);
template <int kPending>
void products_wait() {
  products_finish(kPending);
}
inline void sums_ready(WarpgroupSums&) {}

}  // namespace octet::ops::cuda

// Instructions of compute capability 9.0 for warpgroups, four warps that work together: products of
// operands in shared memory, copies by the copy engine, and the barriers that both arrive at.
//
// Facts of PTX ISA, "Asynchronous warpgroup level matrix instructions" and "mbarrier". Tests run
// kernels with what tests/gpu_emulator/warpgroup.h has under the same names.
#pragma once

#include <cstdint>

#include "ops/cuda/launch.cuh"
#include "ops/cuda/tensor_map.h"

namespace octet::ops::cuda {

/// Outputs of a product instruction, whose other sizes are 64 rows and 32 bytes of K.
constexpr int kWarpgroupColumns = 256;
constexpr int kWarpgroupSums = 128;  // of each thread

/// Sums s[4·j + i] of thread t: row t / 32 · 16 + t % 32 / 4 + i / 2 · 8, output
/// 8·j + t % 4 · 2 + i % 2.
using WarpgroupSums = int32_t[kWarpgroupSums];

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

__device__ __forceinline__ uint32_t shared_address(const void* memory) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(memory));
}

/// A barrier's phase ends when `arrivals` have come and all bytes that were announced.
__device__ __forceinline__ void barrier_start(uint64_t* barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(arrivals)
               : "memory");
}
/// Makes started barriers known to the copy engine; a block's barrier has to follow.
__device__ __forceinline__ void barriers_started() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async;" ::: "memory");
}
__device__ __forceinline__ void barrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
               : "memory");
}
/// Arrives, and announces bytes.
__device__ __forceinline__ void barrier_expect(uint64_t* barrier, uint32_t bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
}
/// Waits for the end of the phase of this parity; the first phase has 0.
__device__ __forceinline__ void barrier_wait(uint64_t* barrier, uint32_t parity) {
  uint32_t ended = 0;
  while (ended == 0) {
    asm volatile(
        "{\n.reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.b32 %0, 1, 0, p;\n}"
        : "=r"(ended)
        : "r"(shared_address(barrier)), "r"(parity)
        : "memory");
  }
}

/// Starts the copy of the box whose first byte is at (k, row); `to` is a multiple of 1024.
__device__ __forceinline__ void copy_box(const TensorMap& map, std::byte* to, int32_t k,
                                         int32_t row, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(to)),
      "l"(&map), "r"(k), "r"(row), "r"(shared_address(barrier))
      : "memory");
}

/// Changes the registers of each thread of a warpgroup; what one takes, another has to give first.
template <int kRegisters>
__device__ __forceinline__ void registers_give() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void registers_take() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

/// Sums may be given to products after this.
__device__ __forceinline__ void products_begin() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
/// Closes a group of products.
__device__ __forceinline__ void products_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits until no more than kPending groups are unfinished.
template <int kPending>
__device__ __forceinline__ void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
/// Keeps the compiler from reading sums before the wait in front of this.
__device__ __forceinline__ void sums_ready(WarpgroupSums& sums) {
#pragma unroll
  for (int i = 0; i < kWarpgroupSums; ++i) asm volatile("" : "+r"(sums[i])::"memory");
}

#define OCTET_SUMS_4(i) "+r"(s[i]), "+r"(s[(i) + 1]), "+r"(s[(i) + 2]), "+r"(s[(i) + 3])
#define OCTET_SUMS_16(i) \
  OCTET_SUMS_4(i), OCTET_SUMS_4((i) + 4), OCTET_SUMS_4((i) + 8), OCTET_SUMS_4((i) + 12)

/// s = a · bᵀ, plus what it was when `add` is not 0. a, b: operand_at.
__device__ __forceinline__ void multiply(WarpgroupSums& s, uint64_t a, uint64_t b, int add) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k32.s32.s8.s8 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, "
      "%127}, %128, %129, p;\n"
      "}"
      : OCTET_SUMS_16(0), OCTET_SUMS_16(16), OCTET_SUMS_16(32), OCTET_SUMS_16(48),
        OCTET_SUMS_16(64), OCTET_SUMS_16(80), OCTET_SUMS_16(96), OCTET_SUMS_16(112)
      : "l"(a), "l"(b), "r"(add));
}

#undef OCTET_SUMS_16
#undef OCTET_SUMS_4

#endif

}  // namespace octet::ops::cuda

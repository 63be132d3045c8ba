// Tensor-core products of 16×8 outputs over a step of K, for the three element types.
//
// Lane l of a warp has g = l / 4 and q = l % 4. In a step of 64 bytes of K, it holds 16 bytes of
// each operand: those from 16·q on, of rows g and g + 8 of A and of output g of B. The
// instructions take elements of K in another order, but the same one of A and of B. The result is
// {row g, outputs 2q and 2q + 1}, {row g + 8, the same outputs}.
#pragma once

#include <cstdint>

#include "ops/cuda/launch.cuh"

namespace octet::ops::cuda {

enum class Element : uint8_t { s8, f16, bf16 };

template <Element kElement>
struct Accumulator {
  using Type = float;
};
template <>
struct Accumulator<Element::s8> {
  using Type = int32_t;
};

__device__ __forceinline__ void mma(int32_t (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                    uint32_t a3, uint32_t b0, uint32_t b1) {
#if defined(OCTET_GPU_EMULATED)
  emulated_mma_s8(c, {a0, a1, a2, a3, b0, b1});
#elif __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
#else
  const uint32_t a[4] = {a0, a1, a2, a3};
  for (int half = 0; half < 2; ++half) {
    for (int step = 0; step < 2; ++step) {
      asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
                   : "+r"(c[2 * half]), "+r"(c[2 * half + 1])
                   : "r"(a[2 * step + half]), "r"(step == 0 ? b0 : b1));
    }
  }
#endif
}

template <Element kElement>
__device__ __forceinline__ void mma16(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                      uint32_t a3, uint32_t b0, uint32_t b1) {
#if defined(OCTET_GPU_EMULATED)
  emulated_mma16(c, {a0, a1, a2, a3, b0, b1}, kElement == Element::f16);
#elif __CUDA_ARCH__ >= 800
  if constexpr (kElement == Element::f16) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  }
#else
  // Compute capability 7.5 has f16 alone; the host refuses bf16 there.
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(b0));
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a2), "r"(a3), "r"(b1));
#endif
}

/// c += the products of one step of K. low, high: what the lane holds of rows g and g + 8.
template <Element kElement>
__device__ __forceinline__ void multiply_step(typename Accumulator<kElement>::Type (&c)[4],
                                              const uint4& low, const uint4& high, const uint4& b) {
  if constexpr (kElement == Element::s8) {
    mma(c, low.x, high.x, low.y, high.y, b.x, b.y);
    mma(c, low.z, high.z, low.w, high.w, b.z, b.w);
  } else {
    mma16<kElement>(c, low.x, high.x, low.y, high.y, b.x, b.y);
    mma16<kElement>(c, low.z, high.z, low.w, high.w, b.z, b.w);
  }
}

}  // namespace octet::ops::cuda

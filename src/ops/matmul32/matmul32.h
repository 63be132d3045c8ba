// Product with 32-bit weights: the float reference inside octet.
#pragma once

#include <cstdint>
#include <span>

#include "ops/int8_matmul/int8_matmul.h"
#include "ops/registry.h"

namespace octet::ops {

/// c[r][n] = Σ_k a[r][k] · b[k][n]: for each block of 32 values of k, rising (the last may be
/// shorter): s = 0; s = fma(a[k], b[k], s) for rising k; c += s. b: panels of [k][16] floats.
struct Matmul32Args {
  const float* a = nullptr;
  int64_t a_stride = 0;
  int64_t rows = 0;
  int64_t k = 0;
  const float* b = nullptr;
  int64_t panels = 0;
  float* c = nullptr;
  int64_t c_stride = 0;
};

using Matmul32Function = void(const Matmul32Args&);

std::span<const Kernel<Matmul32Function>> matmul32_kernels();

/// Packs `rows` × `k` row-major weights into padded(rows,16)/16 panels of [k][16], padding 0.
void pack_panels32(const float* weights, int64_t stride, int64_t rows, int64_t k, float* out);

}  // namespace octet::ops

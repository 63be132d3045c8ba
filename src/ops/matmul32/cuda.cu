// Products of float32 rows and weights on a GPU.
#include "ops/cuda/launch.cuh"
#include "ops/matmul32/cuda.h"

namespace octet::ops::cuda {

namespace {

constexpr int kTile = 32;  // outputs and rows of a block
constexpr int kDepth = 32;
constexpr int kEach = 4;  // rows of a thread

__global__ __launch_bounds__(kTile* kTile / kEach) void product32_kernel(Product32 p) {
  __shared__ float a[kTile][kDepth + 1];
  __shared__ float b[kTile][kDepth + 1];
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kTile;
  const int64_t first_column = static_cast<int64_t>(blockIdx.x) * kTile;
  const int column = threadIdx.x % kTile;
  const int row = threadIdx.x / kTile * kEach;
  float sums[kEach] = {};
  for (int64_t k = 0; k < p.k; k += kDepth) {
    __syncthreads();
    for (int i = threadIdx.x; i < kTile * kDepth; i += blockDim.x) {
      const int r = i / kDepth;
      const int d = i % kDepth;
      const bool inside = k + d < p.k;
      a[r][d] = inside && first_row + r < p.rows ? p.a[(first_row + r) * p.k + k + d] : 0.0f;
      b[r][d] =
          inside && first_column + r < p.columns ? p.b[(first_column + r) * p.k + k + d] : 0.0f;
    }
    __syncthreads();
    for (int d = 0; d < kDepth; ++d) {
#pragma unroll
      for (int i = 0; i < kEach; ++i) sums[i] = __fmaf_rn(a[row + i][d], b[column][d], sums[i]);
    }
  }
  const int64_t n = first_column + column;
  if (n >= p.columns) return;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int64_t r = first_row + row + i;
    if (r >= p.rows) continue;
    float value = sums[i];
    if (p.bias != nullptr) value += p.bias[n];
    if (p.residual != nullptr) value += p.residual[r * p.residual_stride + n];
    p.out[r * p.out_stride + n] = value;
  }
}

}  // namespace

void product32(const Product32& product, device::Stream stream) {
  if (product.rows == 0) return;
  const dim3 grid(static_cast<unsigned>((product.columns + kTile - 1) / kTile),
                  static_cast<unsigned>((product.rows + kTile - 1) / kTile));
  run_kernel(product32_kernel, grid, kTile * kTile / kEach, 0, stream, product);
  device::check_launch("product32");
}

}  // namespace octet::ops::cuda

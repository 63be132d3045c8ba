// Small operations on whole rows of floats on a GPU.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "ops/cuda/lane.cuh"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/rows.h"
#include "ops/simd/math.h"

namespace octet::ops::cuda {

namespace {

constexpr int kThreads = 256;

template <typename Function>
__global__ void each_kernel(int64_t count, Function function) {
  for (int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    function(i);
  }
}

/// Calls function(i) for every i below `count`.
template <typename Function>
void each(int64_t count, device::Stream stream, Function function) {
  if (count == 0) return;
  const auto blocks =
      static_cast<unsigned>(std::min<int64_t>((count + kThreads - 1) / kThreads, 4096));
  run_kernel(each_kernel<Function>, blocks, kThreads, 0, stream, count, function);
  device::check_launch("an operation on rows");
}

__device__ float element(const EmbedRows& args, int64_t index) {
  switch (args.type) {
    case tensor::DType::f32:
      return static_cast<const float*>(args.table)[index];
    case tensor::DType::f16:
      return __half2float(static_cast<const __half*>(args.table)[index]);
    default:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(args.table)[index]);
  }
}

}  // namespace

void embed_rows(const EmbedRows& args, device::Stream stream) {
  each(args.rows * args.columns, stream, [args] __device__(int64_t i) {
    const int64_t row = i / args.columns;
    args.out[i] = element(args, args.tokens[row] * args.stride + i % args.columns) * args.scale;
  });
}

void add_positions(float* x, const float* table, const int32_t* positions, int64_t offset,
                   int64_t rows, int64_t columns, device::Stream stream) {
  each(rows * columns, stream, [=] __device__(int64_t i) {
    x[i] += table[(positions[i / columns] + offset) * columns + i % columns];
  });
}

void add(float* x, const float* y, int64_t count, device::Stream stream) {
  each(count, stream, [=] __device__(int64_t i) { x[i] += y[i]; });
}

void scale(float* x, float factor, int64_t count, device::Stream stream) {
  each(count, stream, [=] __device__(int64_t i) { x[i] *= factor; });
}

void softcap(float* x, float cap, int64_t count, device::Stream stream) {
  each(count, stream,
       [=] __device__(int64_t i) { x[i] = simd::tanh(Lane{x[i] / cap}).value * cap; });
}

void gather_rows(const float* x, const int32_t* indices, int64_t rows, int64_t columns, float* out,
                 device::Stream stream) {
  each(rows * columns, stream,
       [=] __device__(int64_t i) { out[i] = x[indices[i / columns] * columns + i % columns]; });
}

}  // namespace octet::ops::cuda

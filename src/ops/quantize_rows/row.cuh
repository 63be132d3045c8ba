// A row that a linear layer reads, while a block of threads makes it.
#pragma once

#include <cstdint>

#include "ops/activation/functions.h"
#include "ops/cuda/lane.cuh"
#include "ops/cuda/launch.cuh"
#include "ops/quantize_rows/cuda.h"

namespace octet::ops::cuda {

constexpr int kMostThreads = 1024;
constexpr int kWarp = 32;
/// A thread keeps so many groups of four columns in registers; rows that have more are made again
/// each time they are read.
constexpr int kHeldQuads = 4;
/// Combines kCount values of each thread over the block; the operation has zero for its neutral
/// element. shared: kCount warps' values.
template <int kCount, typename Operation>
__device__ inline void over_block(float (&values)[kCount], Operation operation, float* shared) {
  const int warp = threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  const auto over_warp = [&](float value) {
    for (int offset = kWarp / 2; offset > 0; offset /= 2) {
      value = operation(value, __shfl_xor_sync(0xffffffffu, value, offset));
    }
    return value;
  };
  __syncthreads();  // before shared memory is used again
  for (int i = 0; i < kCount; ++i) {
    const float value = over_warp(values[i]);
    if (lane == 0) shared[i * kWarp + warp] = value;
  }
  __syncthreads();
  const int warps = blockDim.x / kWarp;
  for (int i = 0; i < kCount; ++i) {
    values[i] = over_warp(lane < warps ? shared[i * kWarp + lane] : 0.0f);
  }
}

__device__ inline float sum_over_block(float value, float* shared) {
  float values[1] = {value};
  over_block(
      values, [](float a, float b) { return a + b; }, shared);
  return values[0];
}

/// As unsigned magnitudes, so that infinities and NaN come out on top.
template <int kCount>
__device__ inline void max_over_block(float (&values)[kCount], float* shared) {
  over_block(
      values,
      [](float a, float b) { return __uint_as_float(max(__float_as_uint(a), __float_as_uint(b))); },
      shared);
}

/// A function of its own: written into each place that makes a column, it is most of the code.
__device__ __noinline__ inline float activate(Activation kind, float x) {
  const Lane lane{x};
  switch (kind) {
    case Activation::relu:
      return simd::relu(lane).value;
    case Activation::silu:
      return simd::sigmoid_linear(lane, 1.0f).value;
    case Activation::gelu:
      return simd::gelu(lane).value;
    case Activation::gelu_tanh:
      return simd::gelu_tanh(lane).value;
    case Activation::quick_gelu:
      return simd::sigmoid_linear(lane, 1.702f).value;
    case Activation::relu_squared:
      return (simd::relu(lane) * simd::relu(lane)).value;
  }
  return 0;
}

/// Four columns of a row.
struct Quad {
  float values[4];
};

/// Calls function(j, i) for each of `quads` groups of four columns that is this thread's: its j-th
/// is group i. j is a constant where the row is held in registers.
template <bool kHeld, typename Function>
__device__ __forceinline__ void each_quad(int64_t quads, Function function) {
  if constexpr (kHeld) {
#pragma unroll
    for (int j = 0; j < kHeldQuads; ++j) {
      const int64_t i = threadIdx.x + static_cast<int64_t>(j) * blockDim.x;
      if (i < quads) function(j, i);
    }
  } else {
    for (int64_t i = threadIdx.x; i < quads; i += blockDim.x) function(0, i);
  }
}

/// A row while it is being made. kHeld: its columns are in the threads' registers.
template <bool kHeld>
class Row {
 public:
  /// A thread's columns are those of its quads.
  __device__ Row(const RowSource& source, int64_t row, float* shared)
      : source_(source), x_(source.x + row * source.stride) {
    aligned_ = reinterpret_cast<uintptr_t>(x_) % 16 == 0 && source.columns % 4 == 0;
    if (kHeld) {
      each_quad<kHeld>(quads(), [&](int j, int64_t i) { held_[j] = read(x_, i); });
    }
    if (source.kind == RowSource::Kind::norm) measure(shared);
    if (kHeld) {
      each_quad<kHeld>(quads(), [&](int j, int64_t i) { held_[j] = make(i, held_[j]); });
    }
  }
  __device__ int64_t quads() const { return (source_.columns + 3) / 4; }
  /// The thread's j-th quad, group i; zeros beyond the row's columns.
  __device__ Quad quad(int j, int64_t i) const {
    if constexpr (kHeld) return held_[j];
    return make(i, read(x_, i));
  }
  /// Any column, made anew.
  __device__ float operator[](int64_t column) const { return make_column(column, x_[column]); }

 private:
  __device__ Quad read(const float* from, int64_t i) const {
    if (aligned_) {
      const float4 four = *reinterpret_cast<const float4*>(from + 4 * i);
      return {{four.x, four.y, four.z, four.w}};
    }
    Quad quad;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      quad.values[e] = 4 * i + e < source_.columns ? from[4 * i + e] : 0.0f;
    }
    return quad;
  }
  __device__ void measure(float* shared) {
    float sum = 0;
    const auto count = static_cast<float>(source_.columns);
    const auto input = [&](int j, int64_t i) { return kHeld ? held_[j] : read(x_, i); };
    if (source_.subtract_mean) {
      each_quad<kHeld>(quads(), [&](int j, int64_t i) {
        const Quad quad = input(j, i);
#pragma unroll
        for (int e = 0; e < 4; ++e) sum += quad.values[e];
      });
      mean_ = sum_over_block(sum, shared) / count;
      sum = 0;
    }
    each_quad<kHeld>(quads(), [&](int j, int64_t i) {
      const Quad quad = input(j, i);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        if (4 * i + e >= source_.columns) break;
        const float distance = quad.values[e] - mean_;
        sum = __fmaf_rn(distance, distance, sum);
      }
    });
    const float variance = sum_over_block(sum, shared) / count;
    factor_ = 1.0f / sqrtf(variance + source_.epsilon);
  }
  __device__ float make_column(int64_t column, float x) const {
    if (source_.kind == RowSource::Kind::values) return x;
    if (source_.kind == RowSource::Kind::activation) {
      const float y = activate(source_.activation, x);
      return source_.gated ? y * x_[source_.columns + column] : y;
    }
    float y = (x - mean_) * factor_;
    if (source_.weight != nullptr) y = y * (source_.weight[column] + source_.weight_offset);
    if (source_.bias != nullptr) y = y + source_.bias[column];
    return y;
  }
  __device__ Quad make(int64_t i, Quad quad) const {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (4 * i + e < source_.columns) quad.values[e] = make_column(4 * i + e, quad.values[e]);
    }
    return quad;
  }

  const RowSource& source_;
  const float* x_;
  bool aligned_;
  float mean_ = 0;
  float factor_ = 1;
  Quad held_[kHeld ? kHeldQuads : 1] = {};
};

}  // namespace octet::ops::cuda

// Making the rows that a linear layer reads and turning them into codes, on a GPU.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "ops/activation/functions.h"
#include "ops/cuda/lane.cuh"
#include "ops/cuda/launch.cuh"
#include "ops/quantize_rows/cuda.h"
#include "ops/quantize_rows/quantize_rows.h"

namespace octet::ops::cuda {

namespace {

constexpr int kMostThreads = 1024;
constexpr int kWarp = 32;
/// Rows up to this many bytes are kept in shared memory, longer ones are made again each time.
constexpr int64_t kCachedBytes = 48 << 10;
/// See linear::kLargestActivation.
constexpr float kLargest = 0x1p126f;

/// Eight columns for each thread; it depends on the columns alone, as the order of sums does.
int threads_for(int64_t columns) {
  int threads = 64;
  while (threads < kMostThreads && threads * 8 < columns) threads *= 2;
  return threads;
}

template <typename Operation>
__device__ float over_block(float value, Operation operation, float* shared) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = operation(value, __shfl_xor_sync(0xffffffffu, value, offset));
  }
  const int warps = blockDim.x / kWarp;
  __syncthreads();  // before shared memory is used again
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = shared[0];
  for (int warp = 1; warp < warps; ++warp) value = operation(value, shared[warp]);
  return value;
}

__device__ float sum_over_block(float value, float* shared) {
  return over_block(
      value, [](float a, float b) { return a + b; }, shared);
}

/// As unsigned magnitudes, so that infinities and NaN come out on top.
__device__ float max_over_block(float value, float* shared) {
  return over_block(
      value,
      [](float a, float b) { return __uint_as_float(max(__float_as_uint(a), __float_as_uint(b))); },
      shared);
}

__device__ float activate(Activation kind, float x) {
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

/// A row while it is being made: its values, in shared memory where they fit.
class Row {
 public:
  __device__ Row(const RowSource& source, int64_t row, float* cache, float* shared)
      : source_(source), x_(source.x + row * source.stride), cache_(cache) {
    if (source.kind == RowSource::Kind::norm) measure(shared);
    if (cache_ == nullptr) return;
    for (int64_t i = threadIdx.x; i < source.columns; i += blockDim.x) cache_[i] = make(i);
    // Whoever reads a column reads one of its own, or comes after a barrier.
  }
  __device__ float operator[](int64_t i) const { return cache_ != nullptr ? cache_[i] : make(i); }

 private:
  __device__ void measure(float* shared) {
    float sum = 0;
    const auto count = static_cast<float>(source_.columns);
    if (source_.subtract_mean) {
      for (int64_t i = threadIdx.x; i < source_.columns; i += blockDim.x) sum += x_[i];
      mean_ = sum_over_block(sum, shared) / count;
      sum = 0;
    }
    for (int64_t i = threadIdx.x; i < source_.columns; i += blockDim.x) {
      const float distance = x_[i] - mean_;
      sum = __fmaf_rn(distance, distance, sum);
    }
    const float variance = sum_over_block(sum, shared) / count;
    factor_ = 1.0f / sqrtf(variance + source_.epsilon);
  }
  __device__ float make(int64_t i) const {
    if (source_.kind == RowSource::Kind::values) return x_[i];
    if (source_.kind == RowSource::Kind::activation) {
      const float y = activate(source_.activation, x_[i]);
      return source_.gated ? y * x_[source_.columns + i] : y;
    }
    float y = (x_[i] - mean_) * factor_;
    if (source_.weight != nullptr) y = y * (source_.weight[i] + source_.weight_offset);
    if (source_.bias != nullptr) y = y + source_.bias[i];
    return y;
  }

  const RowSource& source_;
  const float* x_;
  float* cache_;
  float mean_ = 0;
  float factor_ = 1;
};

__device__ void report(const ErrorMark& error, int64_t row) {
  if (error.mark != nullptr && threadIdx.x == 0) {
    atomicMin(error.mark, (static_cast<unsigned long long>(error.place) << 32) |
                              static_cast<unsigned long long>(row));
  }
}

/// The power of two that brings `largest` into [2^14, 2^15); 1 for 0.
__device__ float scale_exponent(float largest) {
  const int exponent = static_cast<int>(__float_as_uint(largest) >> 23);  // biased by 127
  if (exponent == 0) return 1.0f;
  const int wanted = 127 + 14 - exponent + 127;
  return __uint_as_float(static_cast<uint32_t>(min(max(wanted, 1), 254)) << 23);
}

/// Writes one column into its planes.
__device__ void split(const SixteenBitRows& out, int64_t row, int64_t column, float value) {
  uint16_t* high = out.planes + code_row(row, 0, out.plane_count) * out.padded + column;
  uint16_t* low =
      out.planes + code_row(row, out.plane_count - 1, out.plane_count) * out.padded + column;
  if (out.type == SixteenBit::f16) {
    const __half first = __float2half_rn(value);
    *high = __half_as_ushort(first);
    if (out.plane_count == 2) {
      *low = __half_as_ushort(__float2half_rn(value - __half2float(first)));
    }
  } else {
    const __nv_bfloat16 first = __float2bfloat16_rn(value);
    *high = __bfloat16_as_ushort(first);
    if (out.plane_count == 2) {
      *low = __bfloat16_as_ushort(__float2bfloat16_rn(value - __bfloat162float(first)));
    }
  }
}

/// Writes the row's 16-bit columns; false when one is out of range.
__device__ bool split_row(const SixteenBitRows& out, const Row& row, int64_t r, float* shared) {
  float largest = 0;
  for (int64_t i = threadIdx.x; i < out.count; i += blockDim.x) {
    const int64_t column = out.columns != nullptr ? out.columns[i] : i;
    largest = __uint_as_float(max(__float_as_uint(largest), __float_as_uint(fabsf(row[column]))));
  }
  largest = max_over_block(largest, shared);
  const bool in_range = largest <= kLargest;
  const float factor = in_range && out.type == SixteenBit::f16 ? scale_exponent(largest) : 1.0f;
  for (int64_t i = threadIdx.x; i < out.padded; i += blockDim.x) {
    float value = 0;
    if (i < out.count && in_range) {
      value = row[out.columns != nullptr ? out.columns[i] : i] * factor;
    }
    split(out, r, i, value);
  }
  if (threadIdx.x == 0) out.scales[r] = 1.0f / factor;
  return in_range;
}

/// (1/c)·q, or 0 when that is not finite.
__device__ float code_factor(float largest, float code_max) {
  const float factor = 1.0f / largest * code_max;
  return largest > 0 && factor <= 0x1.fffffep127f ? factor : 0.0f;
}

__device__ int code_of(float value, float factor, float code_max) {
  return static_cast<int>(fminf(fmaxf(rintf(value * factor), -code_max), code_max));
}

struct Maxima {
  float row;
  float leftover;
};

__device__ Maxima row_maxima(const QuantizeRows& args, const Row& row, float* shared) {
  const uint32_t threshold = __float_as_uint(args.threshold);
  uint32_t below = 0;
  uint32_t beyond = 0;
  for (int64_t i = threadIdx.x; i < args.source.columns; i += blockDim.x) {
    uint32_t magnitude = __float_as_uint(row[i]) & 0x7fffffffu;
    if (args.column_mask != nullptr) magnitude &= args.column_mask[i];
    if (threshold != 0 && magnitude >= threshold) {
      beyond = max(beyond, magnitude);
    } else {
      below = max(below, magnitude);
    }
  }
  const float largest = max_over_block(__uint_as_float(below), shared);
  const float leftover = threshold != 0 ? max_over_block(__uint_as_float(beyond), shared) : 0.0f;
  return {largest, leftover};
}

__device__ void write_two_planes(const QuantizeRows& args, const Row& row, int64_t r,
                                 float largest) {
  const float factor = code_factor(largest, kTwoPlanesMax);
  int8_t* high = args.codes + code_row(r, 0, 2) * args.k;
  int8_t* low = args.codes + code_row(r, 1, 2) * args.k;
  for (int64_t i = threadIdx.x; i < args.k; i += blockDim.x) {
    int code = 0;
    if (i < args.source.columns && (args.column_mask == nullptr || args.column_mask[i] != 0)) {
      code = code_of(row[i], factor, kTwoPlanesMax);
    }
    const int upper = (code + 64) >> 7;
    high[i] = static_cast<int8_t>(upper);
    low[i] = static_cast<int8_t>(code - upper * 128);
  }
}

__device__ void write_one_plane(const QuantizeRows& args, const Row& row, int64_t r,
                                const Maxima& maxima, int32_t slot) {
  const float factor = code_factor(maxima.row, kOnePlaneMax);
  const float extra_factor = code_factor(maxima.leftover, kOnePlaneMax);
  int8_t* codes = args.codes + r * args.k;
  int8_t* extra = slot < 0 ? nullptr : args.extra_codes + slot * args.k;
  for (int64_t i = threadIdx.x; i < args.k; i += blockDim.x) {
    int code = 0;
    int extra_code = 0;
    if (i < args.source.columns && (args.column_mask == nullptr || args.column_mask[i] != 0)) {
      const float value = row[i];
      if (args.threshold > 0 && fabsf(value) >= args.threshold) {
        extra_code = code_of(value, extra_factor, kOnePlaneMax);
      } else {
        code = code_of(value, factor, kOnePlaneMax);
      }
    }
    codes[i] = static_cast<int8_t>(code);
    if (extra != nullptr) extra[i] = static_cast<int8_t>(extra_code);
  }
}

/// The extra row that this row's leftovers go to, or −1.
__device__ int32_t take_slot(const QuantizeRows& args, int64_t r, float leftover,
                             int32_t* shared_slot) {
  if (args.extra_slots == nullptr) return -1;
  if (threadIdx.x == 0) {
    const int32_t slot = leftover > 0 ? atomicAdd(args.extra_count, 1) : -1;
    *shared_slot = slot;
    args.extra_slots[r] = slot;
    args.extra_factors[r] = leftover / kOnePlaneMax;
  }
  __syncthreads();
  return *shared_slot;
}

__global__ void quantize_kernel(QuantizeRows args, bool cached) {
  OCTET_DYNAMIC_SHARED(float, cache);
  __shared__ float shared[kMostThreads / kWarp];
  __shared__ int32_t shared_slot;
  const int64_t r = blockIdx.x;
  const Row row(args.source, r, cached ? cache : nullptr, shared);
  __syncthreads();
  Maxima maxima = row_maxima(args, row, shared);
  bool in_range = maxima.row <= kLargest && maxima.leftover <= kLargest;
  if (args.kept.count > 0) in_range &= split_row(args.kept, row, r, shared);
  if (!in_range) {
    report(args.error, r);
    maxima = {0, 0};
  }
  if (threadIdx.x == 0) {
    args.row_factors[r] = maxima.row / (args.planes == 2 ? kTwoPlanesMax : kOnePlaneMax);
  }
  if (args.planes == 2) {
    write_two_planes(args, row, r, maxima.row);
  } else {
    write_one_plane(args, row, r, maxima, take_slot(args, r, maxima.leftover, &shared_slot));
  }
}

__global__ void split_kernel(RowSource source, SixteenBitRows out, ErrorMark error, bool cached) {
  OCTET_DYNAMIC_SHARED(float, cache);
  __shared__ float shared[kMostThreads / kWarp];
  const int64_t r = blockIdx.x;
  const Row row(source, r, cached ? cache : nullptr, shared);
  __syncthreads();
  if (!split_row(out, row, r, shared)) report(error, r);
}

__global__ void make_kernel(RowSource source, float* out, int64_t out_stride, ErrorMark error) {
  __shared__ float shared[kMostThreads / kWarp];
  const int64_t r = blockIdx.x;
  const Row row(source, r, nullptr, shared);
  __syncthreads();
  float largest = 0;
  for (int64_t i = threadIdx.x; i < source.columns; i += blockDim.x) {
    const float value = row[i];
    largest = __uint_as_float(max(__float_as_uint(largest), __float_as_uint(fabsf(value))));
    out[r * out_stride + i] = value;
  }
  if (error.mark == nullptr) return;
  if (!(max_over_block(largest, shared) <= kLargest)) report(error, r);
}

int64_t cache_bytes(const RowSource& source) {
  const int64_t bytes = source.columns * static_cast<int64_t>(sizeof(float));
  return bytes <= kCachedBytes - 1024 ? bytes : 0;
}

}  // namespace

void quantize_rows(const QuantizeRows& args, device::Stream stream) {
  if (args.rows == 0) return;
  const int64_t cache = cache_bytes(args.source);
  run_kernel(quantize_kernel, static_cast<unsigned>(args.rows), threads_for(args.source.columns),
             cache, stream, args, cache > 0);
  device::check_launch("quantize_rows");
}

void split_rows(const RowSource& source, int64_t rows, const SixteenBitRows& out,
                const ErrorMark& error, device::Stream stream) {
  if (rows == 0) return;
  const int64_t cache = cache_bytes(source);
  run_kernel(split_kernel, static_cast<unsigned>(rows), threads_for(source.columns), cache, stream,
             source, out, error, cache > 0);
  device::check_launch("split_rows");
}

void make_rows(const RowSource& source, int64_t rows, float* out, int64_t out_stride,
               const ErrorMark& error, device::Stream stream) {
  if (rows == 0) return;
  run_kernel(make_kernel, static_cast<unsigned>(rows), threads_for(source.columns), 0, stream,
             source, out, out_stride, error);
  device::check_launch("make_rows");
}

}  // namespace octet::ops::cuda

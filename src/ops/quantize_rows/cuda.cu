// Making the rows that a linear layer reads and turning them into codes, on a GPU.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "ops/quantize_rows/cuda.h"
#include "ops/quantize_rows/quantize_rows.h"
#include "ops/quantize_rows/row.cuh"

namespace octet::ops::cuda {

namespace {

/// See linear::kLargestActivation.
constexpr float kLargest = 0x1p126f;

/// Four columns for each thread; it depends on the columns alone, as the order of sums does.
int threads_for(int64_t columns) {
  int threads = 64;
  while (threads < kMostThreads && threads * 4 < columns) threads *= 2;
  return threads;
}

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

__device__ float larger_magnitude(float a, float b) {
  return __uint_as_float(max(__float_as_uint(a), __float_as_uint(fabsf(b))));
}

/// The largest magnitude of this thread's share of the columns that `out` picks.
template <bool kHeld>
__device__ float largest_picked(const SixteenBitRows& out, const Row<kHeld>& row) {
  float largest = 0;
  if (out.columns != nullptr) {
    for (int64_t i = threadIdx.x; i < out.count; i += blockDim.x) {
      largest = larger_magnitude(largest, row[out.columns[i]]);
    }
  } else {
    each_quad<kHeld>(row.quads(), [&](int j, int64_t i) {
      const Quad quad = row.quad(j, i);
#pragma unroll
      for (int e = 0; e < 4; ++e) largest = larger_magnitude(largest, quad.values[e]);
    });
  }
  return largest;
}

/// Writes the row's 16-bit columns, whose largest magnitude is known; false when it is out of
/// range.
template <bool kHeld>
__device__ bool split_row(const SixteenBitRows& out, const Row<kHeld>& row, int64_t r,
                          float largest) {
  const bool in_range = largest <= kLargest;
  const float factor = in_range && out.type == SixteenBit::f16 ? scale_exponent(largest) : 1.0f;
  if (out.columns != nullptr) {
    for (int64_t i = threadIdx.x; i < out.padded; i += blockDim.x) {
      split(out, r, i, i < out.count && in_range ? row[out.columns[i]] * factor : 0.0f);
    }
  } else {
    each_quad<kHeld>(out.padded / 4, [&](int j, int64_t i) {
      const Quad quad = i < row.quads() && in_range ? row.quad(j, i) : Quad{};
#pragma unroll
      for (int e = 0; e < 4; ++e) split(out, r, 4 * i + e, quad.values[e] * factor);
    });
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
  float kept;
};

/// All three at once: a barrier costs as much as the row itself.
template <bool kHeld>
__device__ Maxima row_maxima(const QuantizeRows& args, const Row<kHeld>& row, float* shared) {
  const uint32_t threshold = __float_as_uint(args.threshold);
  uint32_t below = 0;
  uint32_t beyond = 0;
  each_quad<kHeld>(row.quads(), [&](int j, int64_t i) {
    const Quad quad = row.quad(j, i);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (4 * i + e >= args.source.columns) break;
      uint32_t magnitude = __float_as_uint(quad.values[e]) & 0x7fffffffu;
      if (args.column_mask != nullptr) magnitude &= args.column_mask[4 * i + e];
      if (threshold != 0 && magnitude >= threshold) {
        beyond = max(beyond, magnitude);
      } else {
        below = max(below, magnitude);
      }
    }
  });
  float maxima[3] = {__uint_as_float(below), __uint_as_float(beyond),
                     args.kept.count > 0 ? largest_picked(args.kept, row) : 0.0f};
  max_over_block(maxima, shared);
  return {maxima[0], maxima[1], maxima[2]};
}

/// Four codes as they lie in memory.
__device__ uint32_t packed(const int (&codes)[4]) {
  uint32_t word = 0;
#pragma unroll
  for (int e = 0; e < 4; ++e) word |= (static_cast<uint32_t>(codes[e]) & 0xffu) << (8 * e);
  return word;
}

/// True when the column has an int8 code, and is not padding or kept.
__device__ bool is_coded(const QuantizeRows& args, int64_t column) {
  return column < args.source.columns &&
         (args.column_mask == nullptr || args.column_mask[column] != 0);
}

template <bool kHeld>
__device__ void write_two_planes(const QuantizeRows& args, const Row<kHeld>& row, int64_t r,
                                 float largest) {
  const float factor = code_factor(largest, kTwoPlanesMax);
  auto* high = reinterpret_cast<uint32_t*>(args.codes + code_row(r, 0, 2) * args.k);
  auto* low = reinterpret_cast<uint32_t*>(args.codes + code_row(r, 1, 2) * args.k);
  each_quad<kHeld>(args.k / 4, [&](int j, int64_t i) {
    int upper[4] = {};
    int lower[4] = {};
    if (i < row.quads()) {
      const Quad quad = row.quad(j, i);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        if (!is_coded(args, 4 * i + e)) continue;
        const int code = code_of(quad.values[e], factor, kTwoPlanesMax);
        upper[e] = (code + 64) >> 7;
        lower[e] = code - upper[e] * 128;
      }
    }
    high[i] = packed(upper);
    low[i] = packed(lower);
  });
}

template <bool kHeld>
__device__ void write_one_plane(const QuantizeRows& args, const Row<kHeld>& row, int64_t r,
                                const Maxima& maxima, int32_t slot) {
  const float factor = code_factor(maxima.row, kOnePlaneMax);
  const float extra_factor = code_factor(maxima.leftover, kOnePlaneMax);
  auto* codes = reinterpret_cast<uint32_t*>(args.codes + r * args.k);
  auto* extra = slot < 0 ? nullptr : reinterpret_cast<uint32_t*>(args.extra_codes + slot * args.k);
  each_quad<kHeld>(args.k / 4, [&](int j, int64_t i) {
    int code[4] = {};
    int extra_code[4] = {};
    if (i < row.quads()) {
      const Quad quad = row.quad(j, i);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        if (!is_coded(args, 4 * i + e)) continue;
        const float value = quad.values[e];
        if (args.threshold > 0 && fabsf(value) >= args.threshold) {
          extra_code[e] = code_of(value, extra_factor, kOnePlaneMax);
        } else {
          code[e] = code_of(value, factor, kOnePlaneMax);
        }
      }
    }
    codes[i] = packed(code);
    if (extra != nullptr) extra[i] = packed(extra_code);
  });
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

template <bool kHeld>
__global__ __launch_bounds__(kMostThreads) void quantize_kernel(QuantizeRows args) {
  __shared__ float shared[3 * kWarp];
  __shared__ int32_t shared_slot;
  let_next_kernel_start();
  wait_for_earlier_kernels();
  const int64_t r = blockIdx.x;
  const Row<kHeld> row(args.source, r, shared);
  Maxima maxima = row_maxima(args, row, shared);
  bool in_range = maxima.row <= kLargest && maxima.leftover <= kLargest;
  if (args.kept.count > 0) in_range &= split_row(args.kept, row, r, maxima.kept);
  if (!in_range) {
    report(args.error, r);
    maxima = {0, 0, 0};
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

template <bool kHeld>
__global__ __launch_bounds__(kMostThreads) void split_kernel(RowSource source, SixteenBitRows out,
                                                             ErrorMark error) {
  __shared__ float shared[kWarp];
  let_next_kernel_start();
  wait_for_earlier_kernels();
  const int64_t r = blockIdx.x;
  const Row<kHeld> row(source, r, shared);
  float largest[1] = {largest_picked(out, row)};
  max_over_block(largest, shared);
  if (!split_row(out, row, r, largest[0])) report(error, r);
}

template <bool kHeld>
__global__ __launch_bounds__(kMostThreads) void make_kernel(RowSource source, float* out,
                                                            int64_t out_stride, ErrorMark error) {
  __shared__ float shared[kWarp];
  let_next_kernel_start();
  wait_for_earlier_kernels();
  const int64_t r = blockIdx.x;
  const Row<kHeld> row(source, r, shared);
  float largest[1] = {0};
  each_quad<kHeld>(row.quads(), [&](int j, int64_t i) {
    const Quad quad = row.quad(j, i);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (4 * i + e >= source.columns) break;
      largest[0] = larger_magnitude(largest[0], quad.values[e]);
      out[r * out_stride + 4 * i + e] = quad.values[e];
    }
  });
  if (error.mark == nullptr) return;
  max_over_block(largest, shared);
  if (!(largest[0] <= kLargest)) report(error, r);
}

/// Starts the kernel that has rows of `padded` columns in registers, or the one that makes them
/// anew.
template <typename... Parameters>
void start(void (*held)(Parameters...), void (*remade)(Parameters...), bool early, int64_t rows,
           int64_t columns, int64_t padded, device::Stream stream, const Parameters&... arguments) {
  const int threads = threads_for(columns);
  const auto kernel = padded <= int64_t{4} * kHeldQuads * threads ? held : remade;
  const auto blocks = static_cast<unsigned>(rows);
  if (early) {
    run_kernel_early(kernel, blocks, threads, 0, stream, arguments...);
  } else {
    run_kernel(kernel, blocks, threads, 0, stream, arguments...);
  }
}

}  // namespace

void quantize_rows(const QuantizeRows& args, device::Stream stream) {
  if (args.rows == 0) return;
  // The count of extra rows has just been cleared, which is no kernel.
  const bool early = args.extra_count == nullptr;
  start(quantize_kernel<true>, quantize_kernel<false>, early, args.rows, args.source.columns,
        args.k, stream, args);
  device::check_launch("quantize_rows");
}

void split_rows(const RowSource& source, int64_t rows, const SixteenBitRows& out,
                const ErrorMark& error, device::Stream stream) {
  if (rows == 0) return;
  start(split_kernel<true>, split_kernel<false>, true, rows, source.columns, out.padded, stream,
        source, out, error);
  device::check_launch("split_rows");
}

void make_rows(const RowSource& source, int64_t rows, float* out, int64_t out_stride,
               const ErrorMark& error, device::Stream stream) {
  if (rows == 0) return;
  start(make_kernel<true>, make_kernel<false>, true, rows, source.columns, source.columns, stream,
        source, out, out_stride, error);
  device::check_launch("make_rows");
}

}  // namespace octet::ops::cuda

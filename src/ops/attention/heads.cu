// Heads of queries, keys and values made ready for attention, and their cache, on a GPU.
#include <cuda_fp16.h>

#include "ops/attention/cuda.h"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/warp.cuh"

namespace octet::ops::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kWarpCount = kThreads / 32;

/// Sums a value over a warp, or over the block when `shared` is given.
__device__ float sum_over(float value, float* shared) {
  value = sum_of_warp(value);
  if (shared == nullptr) return value;
  __syncthreads();
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  value = 0;
  for (int warp = 0; warp < kWarpCount; ++warp) value += shared[warp];
  return value;
}

/// Normalises x[0, size) in place by `workers` threads, of which this one is `worker`.
__device__ void normalise(const PrepareHeads& args, float* x, int64_t size, const float* weight,
                          const float* bias, int worker, int workers, float* shared) {
  float mean = 0;
  float sum = 0;
  if (args.subtract_mean) {
    for (int64_t i = worker; i < size; i += workers) sum += x[i];
    mean = sum_over(sum, shared) / static_cast<float>(size);
    sum = 0;
  }
  for (int64_t i = worker; i < size; i += workers) {
    const float distance = x[i] - mean;
    sum = __fmaf_rn(distance, distance, sum);
  }
  const float factor =
      1.0f / sqrtf(sum_over(sum, shared) / static_cast<float>(size) + args.epsilon);
  for (int64_t i = worker; i < size; i += workers) {
    const float y = (x[i] - mean) * factor * (weight[i] + args.weight_offset);
    x[i] = bias != nullptr ? y + bias[i] : y;
  }
}

/// A norm over all heads at once, by the whole block.
__device__ void normalise_all(const PrepareHeads& args, float* x, int heads, const float* weight,
                              const float* bias, float* shared) {
  if (weight == nullptr) return;
  normalise(args, x, static_cast<int64_t>(heads) * args.head_dim, weight, bias, threadIdx.x,
            kThreads, shared);
}

__device__ void clip(float* x, int64_t size, float limit, int worker, int workers) {
  for (int64_t i = worker; i < size; i += workers) x[i] = fminf(fmaxf(x[i], -limit), limit);
}

/// Turns a head to its position, by one warp.
__device__ void rotate(const PrepareHeads& args, float* head, int position) {
  const int pairs = args.rotary_dim / 2;
  const float* cos = args.cos + static_cast<int64_t>(position) * pairs;
  const float* sin = args.sin + static_cast<int64_t>(position) * pairs;
  for (int pair = threadIdx.x % 32; pair < pairs; pair += 32) {
    float* a = head + (args.interleaved ? 2 * pair : pair);
    float* b = head + (args.interleaved ? 2 * pair + 1 : pair + pairs);
    const float first = *a;
    const float second = *b;
    *a = first * cos[pair] - second * sin[pair];
    *b = second * cos[pair] + first * sin[pair];
  }
}

/// False when the value does not fit.
__device__ bool store(const CacheView& cache, std::byte* to, float value) {
  if (cache.type == CacheType::f32) {
    *reinterpret_cast<float*>(to) = value;
    return fabsf(value) <= 0x1.fffffep127f;
  }
  *reinterpret_cast<__half*>(to) = __float2half_rn(value);
  return fabsf(value) < 65520.0f;
}

/// Writes a head's keys or values into the cache, by one warp.
__device__ bool write_cache_head(const PrepareHeads& args, const float* head, int kv_head,
                                 bool values, int slice, int position) {
  const int64_t page = args.step.pages[slice * args.step.page_stride + position / kPagePositions];
  const int64_t element = args.cache.type == CacheType::f32 ? 4 : 2;
  std::byte* to = args.cache.base + page * args.cache.page_bytes + kv_head * args.cache.head_bytes +
                  (values ? args.cache.key_bytes : 0) +
                  position % kPagePositions * args.head_dim * element;
  bool fits = true;
  for (int d = threadIdx.x % 32; d < args.head_dim; d += 32) {
    fits &= store(args.cache, to + d * element, head[d]);
  }
  return fits;
}

/// A head of a row, by one warp.
__device__ void prepare_head(const PrepareHeads& args, int64_t row, int head) {
  float* x = args.qkv + row * args.stride + static_cast<int64_t>(head) * args.head_dim;
  const bool query = head < args.heads;
  const bool value = head >= args.heads + args.kv_heads;
  const float* weight = query ? args.query_weight : args.key_weight;
  if (args.norm_heads && !value && weight != nullptr) {
    const float* bias = query ? args.query_bias : args.key_bias;
    const int64_t first = static_cast<int64_t>(query ? head : head - args.heads) * args.head_dim;
    const int64_t at = first % (query ? args.query_weights : args.key_weights);
    normalise(args, x, args.head_dim, weight + at, bias != nullptr ? bias + at : nullptr,
              threadIdx.x % 32, 32, nullptr);
    __syncwarp();
  }
  const int position = args.step.position[row];
  if (!value && args.rotary_dim > 0) {
    rotate(args, x, position);
    __syncwarp();
  }
  if (query) return;
  const int kv_head = head - args.heads - (value ? args.kv_heads : 0);
  if (!write_cache_head(args, x, kv_head, value, args.step.slice[row], position)) {
    atomicMin(args.error.mark, (static_cast<unsigned long long>(args.error.place) << 32) |
                                   static_cast<unsigned long long>(row));
  }
}

/// True when queries or keys have a norm over all heads at once.
__host__ __device__ bool has_whole_norm(const PrepareHeads& args) {
  return !args.norm_heads && (args.query_weight != nullptr || args.key_weight != nullptr);
}

/// A warp for each head, so that a decode step's few rows fill many multiprocessors; a norm over
/// all heads makes a row one block's.
__global__ __launch_bounds__(kThreads) void prepare_kernel(PrepareHeads args) {
  __shared__ float shared[kWarpCount];
  let_next_kernel_start();
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x;
  const int heads = args.heads + 2 * args.kv_heads;
  const int first = static_cast<int>(blockIdx.y) * kWarpCount + static_cast<int>(threadIdx.x) / 32;
  const int step = static_cast<int>(gridDim.y) * kWarpCount;
  if (args.clip > 0) {
    for (int head = first; head < heads; head += step) {
      clip(args.qkv + row * args.stride + static_cast<int64_t>(head) * args.head_dim, args.head_dim,
           args.clip, threadIdx.x % 32, 32);
    }
    __syncthreads();
  }
  if (has_whole_norm(args)) {
    float* query = args.qkv + row * args.stride;
    normalise_all(args, query, args.heads, args.query_weight, args.query_bias, shared);
    normalise_all(args, query + static_cast<int64_t>(args.heads) * args.head_dim, args.kv_heads,
                  args.key_weight, args.key_bias, shared);
    __syncthreads();
  }
  for (int head = first; head < heads; head += step) prepare_head(args, row, head);
}

}  // namespace

void prepare_heads(const PrepareHeads& args, device::Stream stream) {
  if (args.step.rows == 0) return;
  const int heads = args.heads + 2 * args.kv_heads;
  const int blocks = has_whole_norm(args) ? 1 : (heads + kWarpCount - 1) / kWarpCount;
  run_kernel_early(prepare_kernel,
                   dim3(static_cast<unsigned>(args.step.rows), static_cast<unsigned>(blocks)),
                   kThreads, 0, stream, args);
  device::check_launch("prepare_heads");
}

}  // namespace octet::ops::cuda

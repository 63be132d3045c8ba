// Heads of queries, keys and values, their cache, and attention, on a GPU.
#include <cuda_fp16.h>

#include "ops/attention/cuda.h"
#include "ops/cuda/lane.cuh"
#include "ops/cuda/launch.cuh"
#include "ops/simd/math.h"

namespace octet::ops::cuda {

namespace {

constexpr unsigned kAll = 0xffffffffu;
constexpr int kThreads = 256;
constexpr int kWarpCount = kThreads / 32;
constexpr int kStepPositions = 32;  // one for each lane
constexpr int kPairsOfWarp = kAttentionPairs / kWarpCount;
constexpr float kNone = -INFINITY;

__device__ float exponential(float x) {
  return simd::exp(Lane{x}).value;
}

__device__ float sum_of_warp(float value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(kAll, value, offset);
  return value;
}

__device__ float max_of_warp(float value) {
  for (int offset = 16; offset > 0; offset /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAll, value, offset));
  }
  return value;
}

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

__device__ void normalise_part(const PrepareHeads& args, float* x, int heads, const float* weight,
                               const float* bias, int64_t weights, float* shared) {
  if (weight == nullptr) return;
  const int64_t size = static_cast<int64_t>(heads) * args.head_dim;
  if (!args.norm_heads) {
    normalise(args, x, size, weight, bias, threadIdx.x, kThreads, shared);
    return;
  }
  for (int head = threadIdx.x / 32; head < heads; head += kWarpCount) {
    const int64_t first = static_cast<int64_t>(head) * args.head_dim;
    const int64_t at = first % weights;
    normalise(args, x + first, args.head_dim, weight + at, bias != nullptr ? bias + at : nullptr,
              threadIdx.x % 32, 32, nullptr);
  }
}

__device__ void rotate(const PrepareHeads& args, float* x, int position) {
  const int pairs = args.rotary_dim / 2;
  const float* cos = args.cos + static_cast<int64_t>(position) * pairs;
  const float* sin = args.sin + static_cast<int64_t>(position) * pairs;
  for (int i = threadIdx.x; i < (args.heads + args.kv_heads) * pairs; i += kThreads) {
    const int pair = i % pairs;
    float* head = x + static_cast<int64_t>(i / pairs) * args.head_dim;
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

__device__ bool write_cache_row(const PrepareHeads& args, const float* keys, int slice,
                                int position) {
  const int64_t page = args.step.pages[slice * args.step.page_stride + position / kPagePositions];
  const int64_t element = args.cache.type == CacheType::f32 ? 4 : 2;
  const int64_t size = static_cast<int64_t>(args.kv_heads) * args.head_dim;
  bool fits = true;
  for (int64_t i = threadIdx.x; i < size; i += kThreads) {
    const int64_t head = i / args.head_dim;
    std::byte* to = args.cache.base + page * args.cache.page_bytes + head * args.cache.head_bytes +
                    (position % kPagePositions * args.head_dim + i % args.head_dim) * element;
    fits &= store(args.cache, to, keys[i]);
    fits &= store(args.cache, to + args.cache.key_bytes, keys[size + i]);
  }
  return fits;
}

__global__ __launch_bounds__(kThreads) void prepare_kernel(PrepareHeads args) {
  __shared__ float shared[kWarpCount];
  const int64_t row = blockIdx.x;
  float* query = args.qkv + row * args.stride;
  float* key = query + static_cast<int64_t>(args.heads) * args.head_dim;
  if (args.clip > 0) {
    const int64_t size = static_cast<int64_t>(args.heads + 2 * args.kv_heads) * args.head_dim;
    for (int64_t i = threadIdx.x; i < size; i += kThreads) {
      query[i] = fminf(fmaxf(query[i], -args.clip), args.clip);
    }
    __syncthreads();
  }
  normalise_part(args, query, args.heads, args.query_weight, args.query_bias, args.query_weights,
                 shared);
  normalise_part(args, key, args.kv_heads, args.key_weight, args.key_bias, args.key_weights,
                 shared);
  __syncthreads();
  const int position = args.step.position[row];
  if (args.rotary_dim > 0) {
    rotate(args, query, position);
    __syncthreads();
  }
  if (!write_cache_row(args, key, args.step.slice[row], position)) {
    atomicMin(args.error.mark, (static_cast<unsigned long long>(args.error.place) << 32) |
                                   static_cast<unsigned long long>(row));
  }
}

/// The softmax of some positions, in the making: a lane has two dimensions of every 64.
struct Softmax {
  static constexpr int kMostPieces = kMaxHeadDim / 64;
  float largest;
  float sum;
  float2 values[kMostPieces];

  __device__ void clear() {
    largest = kNone;
    sum = 0;
    for (auto& value : values) value = {0, 0};
  }
};

/// One dimension after the other positions are merged in: total's and then part's.
struct Merge {
  float largest;
  float total_factor;
  float part_factor;

  __device__ Merge(float total, float part) {
    largest = fmaxf(total, part);
    total_factor = exponential(total - largest);
    part_factor = exponential(part - largest);
  }
  __device__ float operator()(float total, float part) const {
    return __fmaf_rn(part, part_factor, total * total_factor);
  }
};

__device__ void merge(Softmax& total, const Softmax& part) {
  if (part.largest == kNone) return;
  if (total.largest == kNone) {
    total = part;
    return;
  }
  const Merge merged(total.largest, part.largest);
  total.largest = merged.largest;
  total.sum = merged(total.sum, part.sum);
  for (int i = 0; i < Softmax::kMostPieces; ++i) {
    total.values[i].x = merged(total.values[i].x, part.values[i].x);
    total.values[i].y = merged(total.values[i].y, part.values[i].y);
  }
}

template <typename T>
struct Elements;
template <>
struct Elements<__half> {
  static constexpr int kOfChunk = 8;
  __device__ static float2 pair(const __half* from) {
    return __half22float2(*reinterpret_cast<const __half2*>(from));
  }
};
template <>
struct Elements<float> {
  static constexpr int kOfChunk = 4;
  __device__ static float2 pair(const float* from) {
    return *reinterpret_cast<const float2*>(from);
  }
};

/// Rows of keys in shared memory lie 16 bytes further apart than they are long.
template <typename T>
__host__ __device__ int key_stride(int head_dim) {
  return static_cast<int>(rounded_up(head_dim, Elements<T>::kOfChunk)) + Elements<T>::kOfChunk;
}

/// Copies rows of `head_dim` elements; 16 bytes at a time where they lie so.
template <typename T>
__device__ void load_rows(const std::byte* from, int head_dim, int rows, T* to, int stride) {
  constexpr int kChunk = Elements<T>::kOfChunk;
  const T* source = reinterpret_cast<const T*>(from);
  if (head_dim % kChunk == 0) {
    const int chunks = head_dim / kChunk;
    for (int i = threadIdx.x; i < rows * chunks; i += kThreads) {
      const int row = i / chunks;
      const int chunk = i % chunks;
      *reinterpret_cast<uint4*>(to + row * stride + chunk * kChunk) =
          *reinterpret_cast<const uint4*>(source + row * head_dim + chunk * kChunk);
    }
  } else {
    for (int i = threadIdx.x; i < rows * head_dim; i += kThreads) {
      to[i / head_dim * stride + i % head_dim] = source[i];
    }
  }
}

/// What one pair of a row and a head needs to know.
struct Pair {
  bool there = false;
  int64_t row = 0;  // of the step
  int head = 0;
  int position = 0;
  int64_t first = 0;  // visible positions
  int64_t end = 0;
};

__device__ Pair pair_of(const StepAttention& args, const AttentionTile& tile, int index,
                        int kv_head) {
  const int group = args.heads / args.kv_heads;
  const int64_t pair = tile.first_pair + index;
  Pair result;
  if (pair >= static_cast<int64_t>(args.step.slice_rows[tile.slice]) * group) return result;
  result.there = true;
  result.row = args.step.first_row[tile.slice] + pair / group;
  result.head = kv_head * group + static_cast<int>(pair % group);
  result.position = args.step.position[result.row];
  result.end = result.position + 1;
  if (args.sees == StepAttention::Sees::slice) result.end = args.step.slice_rows[tile.slice];
  if (args.sees == StepAttention::Sees::source) {
    result.end = args.step.source_positions[tile.slice];
  }
  if (args.window > 0) result.first = max(int64_t{0}, result.position - args.window + 1);
  return result;
}

__device__ float adjusted(const StepAttention& args, const Pair& pair, float score, int64_t j) {
  if (args.softcap > 0) {
    score = args.softcap * simd::tanh(Lane{score / args.softcap}).value;
  }
  const int64_t distance = j - pair.position;
  if (args.slopes != nullptr) score += args.slopes[pair.head] * static_cast<float>(distance);
  if (args.bias != nullptr) {
    const int64_t reach = args.bias_reach;
    score += args.bias[pair.head * (2 * reach + 1) + min(max(distance, -reach), reach) + reach];
  }
  return score;
}

template <typename T>
__device__ void add_positions(const StepAttention& args, const Pair& pair, const float* q,
                              const T* keys, const T* values, int64_t first, int64_t end,
                              Softmax& softmax) {
  const int lane = threadIdx.x % 32;
  const int stride = key_stride<T>(args.head_dim);
  const int64_t position = first + lane;
  const bool visible = position >= pair.first && position < min(pair.end, end);
  float score = kNone;
  if (visible) {
    const T* key = keys + lane * stride;
    float sum = 0;
    for (int d = 0; d < args.head_dim; d += 2) {
      const float2 two = Elements<T>::pair(key + d);
      sum = __fmaf_rn(q[d], two.x, sum);
      sum = __fmaf_rn(q[d + 1], two.y, sum);
    }
    score = adjusted(args, pair, sum, position);
  }
  const float largest = fmaxf(softmax.largest, max_of_warp(score));
  if (largest == kNone) return;
  const float factor = exponential(softmax.largest - largest);
  const float p = visible ? exponential(score - largest) : 0.0f;
  softmax.largest = largest;
  softmax.sum = softmax.sum * factor + sum_of_warp(p);
#pragma unroll
  for (int i = 0; i < Softmax::kMostPieces; ++i) {
    softmax.values[i].x *= factor;
    softmax.values[i].y *= factor;
  }
  for (int j = 0; j < kStepPositions; ++j) {
    const float weight = __shfl_sync(kAll, p, j);
    if (weight == 0) continue;  // the same for the whole warp; what lies there may be anything
    const T* value = values + j * stride;
#pragma unroll
    for (int i = 0; i < Softmax::kMostPieces; ++i) {
      const int d = i * 64 + 2 * lane;
      if (d >= args.head_dim) break;
      const float2 two = Elements<T>::pair(value + d);
      softmax.values[i].x = __fmaf_rn(weight, two.x, softmax.values[i].x);
      softmax.values[i].y = __fmaf_rn(weight, two.y, softmax.values[i].y);
    }
  }
}

__device__ void write_partial(const StepAttention& args, const Pair& pair, int64_t split,
                              const Softmax& softmax) {
  const int lane = threadIdx.x % 32;
  float* to = args.partial +
              ((pair.row * args.heads + pair.head) * args.splits + split) * (args.head_dim + 2);
  if (lane == 0) {
    to[args.head_dim] = softmax.largest;
    to[args.head_dim + 1] = softmax.sum;
  }
#pragma unroll
  for (int i = 0; i < Softmax::kMostPieces; ++i) {
    const int d = i * 64 + 2 * lane;
    if (d >= args.head_dim) break;
    to[d] = softmax.values[i].x;
    to[d + 1] = softmax.values[i].y;
  }
}

__device__ void write_result(const StepAttention& args, const Pair& pair, const Softmax& softmax) {
  const int lane = threadIdx.x % 32;
  float* to = args.out + pair.row * args.out_stride + pair.head * args.head_dim;
#pragma unroll
  for (int i = 0; i < Softmax::kMostPieces; ++i) {
    const int d = i * 64 + 2 * lane;
    if (d >= args.head_dim) break;
    to[d] = softmax.values[i].x / softmax.sum;
    to[d + 1] = softmax.values[i].y / softmax.sum;
  }
}

template <typename T>
__global__ __launch_bounds__(kThreads) void attention_kernel(StepAttention args) {
  OCTET_DYNAMIC_SHARED(std::byte, memory);
  const int stride = key_stride<T>(args.head_dim);
  T* keys = reinterpret_cast<T*>(memory);
  T* values = keys + kStepPositions * stride;
  float* queries = reinterpret_cast<float*>(values + kStepPositions * stride);
  const AttentionTile tile = args.tiles[blockIdx.x];
  const int kv_head = blockIdx.y;
  const int warp = threadIdx.x / 32;

  // The positions that any pair of the tile sees.
  int64_t first = INT64_MAX;
  int64_t end = 0;
  for (int index = 0; index < kAttentionPairs; ++index) {
    const Pair pair = pair_of(args, tile, index, kv_head);
    if (!pair.there) continue;
    first = min(first, pair.first);
    end = max(end, pair.end);
    for (int d = threadIdx.x; d < args.head_dim; d += kThreads) {
      queries[index * args.head_dim + d] =
          args.q[pair.row * args.q_stride + pair.head * args.head_dim + d] * args.scale;
    }
  }
  Pair pairs[kPairsOfWarp];
  Softmax totals[kPairsOfWarp];
  Softmax parts[kPairsOfWarp];
#pragma unroll
  for (int i = 0; i < kPairsOfWarp; ++i) {
    pairs[i] = pair_of(args, tile, warp * kPairsOfWarp + i, kv_head);
    totals[i].clear();
    parts[i].clear();
  }
  const bool parallel = args.splits > 0;
  if (parallel) {
    first = max(first, blockIdx.z * kSplitPositions);
    end = min(end, (blockIdx.z + 1) * kSplitPositions);
  }
  const int32_t* pages =
      (args.sees == StepAttention::Sees::source ? args.step.source_pages : args.step.pages) +
      tile.slice * args.step.page_stride;
  for (int64_t at = first / kStepPositions * kStepPositions; at < end; at += kStepPositions) {
    const int64_t slot = at % kPagePositions;
    const std::byte* head = args.cache.base + pages[at / kPagePositions] * args.cache.page_bytes +
                            kv_head * args.cache.head_bytes +
                            slot * args.head_dim * static_cast<int64_t>(sizeof(T));
    const int count = static_cast<int>(min(static_cast<int64_t>(kStepPositions), end - at));
    __syncthreads();
    load_rows(head, args.head_dim, count, keys, stride);
    load_rows(head + args.cache.key_bytes, args.head_dim, count, values, stride);
    __syncthreads();
    const bool last = (at + kStepPositions) % kSplitPositions == 0;
#pragma unroll
    for (int i = 0; i < kPairsOfWarp; ++i) {
      if (!pairs[i].there) continue;
      add_positions(args, pairs[i], queries + (warp * kPairsOfWarp + i) * args.head_dim, keys,
                    values, at, end, parts[i]);
      if (last && !parallel) {
        merge(totals[i], parts[i]);
        parts[i].clear();
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kPairsOfWarp; ++i) {
    if (!pairs[i].there) continue;
    if (parallel) {
      write_partial(args, pairs[i], blockIdx.z, parts[i]);
    } else {
      merge(totals[i], parts[i]);
      write_result(args, pairs[i], totals[i]);
    }
  }
}

/// Merges the splits of a (row, head) in their order.
__global__ void merge_kernel(StepAttention args) {
  const int64_t row = blockIdx.x;
  const int64_t head = blockIdx.y;
  const int64_t width = args.head_dim + 2;
  const float* parts = args.partial + (row * args.heads + head) * args.splits * width;
  for (int d = threadIdx.x; d < args.head_dim; d += blockDim.x) {
    float largest = kNone;
    float sum = 0;
    float value = 0;
    for (int64_t split = 0; split < args.splits; ++split) {
      const float* part = parts + split * width;
      const float part_largest = part[args.head_dim];
      if (part_largest == kNone) continue;
      if (largest == kNone) {
        largest = part_largest;
        sum = part[args.head_dim + 1];
        value = part[d];
        continue;
      }
      const Merge merged(largest, part_largest);
      largest = merged.largest;
      sum = merged(sum, part[args.head_dim + 1]);
      value = merged(value, part[d]);
    }
    args.out[row * args.out_stride + head * args.head_dim + d] = value / sum;
  }
}

template <typename T>
void launch_attention(const StepAttention& args, device::Stream stream) {
  const int bytes =
      2 * kStepPositions * key_stride<T>(args.head_dim) * static_cast<int>(sizeof(T)) +
      kAttentionPairs * args.head_dim * static_cast<int>(sizeof(float));
  const dim3 grid(static_cast<unsigned>(args.tile_count), static_cast<unsigned>(args.kv_heads),
                  static_cast<unsigned>(args.splits > 0 ? args.splits : 1));
  run_kernel(attention_kernel<T>, grid, kThreads, bytes, stream, args);
}

}  // namespace

void prepare_heads(const PrepareHeads& args, device::Stream stream) {
  if (args.step.rows == 0) return;
  run_kernel(prepare_kernel, static_cast<unsigned>(args.step.rows), kThreads, 0, stream, args);
  device::check_launch("prepare_heads");
}

void attention(const StepAttention& args, device::Stream stream) {
  if (args.tile_count == 0) return;
  if (args.cache.type == CacheType::f32) {
    launch_attention<float>(args, stream);
  } else {
    launch_attention<__half>(args, stream);
  }
  if (args.splits > 0) {
    run_kernel(merge_kernel,
               dim3(static_cast<unsigned>(args.step.rows), static_cast<unsigned>(args.heads)), 64,
               0, stream, args);
  }
  device::check_launch("attention");
}

}  // namespace octet::ops::cuda

// What attention's kernels share: which positions a head sees, its scores, and softmax in parts.
#pragma once

#include <cuda_fp16.h>

#include "ops/attention/cuda.h"
#include "ops/cuda/lane.cuh"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/warp.cuh"
#include "ops/simd/math.h"

namespace octet::ops::cuda {

constexpr int kAttentionThreads = 256;
constexpr int kAttentionWarps = kAttentionThreads / 32;
constexpr int kStepPositions = 32;  // one for each lane
constexpr float kNone = -INFINITY;

__device__ inline float exponential(float x) {
  return simd::exp(Lane{x}).value;
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

__device__ inline void merge(Softmax& total, const Softmax& part) {
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

/// Elements of the cache: two as floats, and what 16 bytes hold.
template <typename T>
struct Elements;
template <>
struct Elements<__half> {
  static constexpr int kOfChunk = 8;
  __device__ static float2 pair(const __half* from) {
    return __half22float2(*reinterpret_cast<const __half2*>(from));
  }
  __device__ static void chunk(const __half* from, float (&to)[kOfChunk]) {
    struct alignas(16) Chunk {
      __half2 pairs[4];
    };
    const Chunk bits = *reinterpret_cast<const Chunk*>(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 two = __half22float2(bits.pairs[i]);
      to[2 * i] = two.x;
      to[2 * i + 1] = two.y;
    }
  }
};
template <>
struct Elements<float> {
  static constexpr int kOfChunk = 4;
  __device__ static float2 pair(const float* from) {
    return *reinterpret_cast<const float2*>(from);
  }
  __device__ static void chunk(const float* from, float (&to)[kOfChunk]) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x;
    to[1] = four.y;
    to[2] = four.z;
    to[3] = four.w;
  }
};

/// What one pair of a row and a head needs to know.
struct Pair {
  bool there = false;
  int64_t row = 0;  // of the step
  int head = 0;
  int position = 0;
  int64_t first = 0;  // visible positions
  int64_t end = 0;
};

__device__ inline Pair pair_of(const StepAttention& args, const AttentionTile& tile, int index,
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

__device__ inline float adjusted(const StepAttention& args, const Pair& pair, float score,
                                 int64_t j) {
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

/// Queries in shared memory lie in rows of whole 16 bytes.
__host__ __device__ inline int query_stride(int head_dim) {
  return static_cast<int>(rounded_up(head_dim, 4));
}

/// Adds to each pair's score the products of `count` dimensions of a key, in their order. key, and
/// queries but for `count` itself, in whole 16 bytes of shared memory.
template <typename T, int kCount>
__device__ inline void add_scores(const T* key, const float* queries, int stride, int count,
                                  float (&scores)[kCount]) {
  constexpr int kChunk = Elements<T>::kOfChunk;
  int d = 0;
#pragma unroll 2
  for (; d + kChunk <= count; d += kChunk) {
    float k[kChunk];
    Elements<T>::chunk(key + d, k);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
#pragma unroll
      for (int e = 0; e < kChunk; e += 4) {
        const float4 q = *reinterpret_cast<const float4*>(queries + i * stride + d + e);
        scores[i] = __fmaf_rn(q.x, k[e], scores[i]);
        scores[i] = __fmaf_rn(q.y, k[e + 1], scores[i]);
        scores[i] = __fmaf_rn(q.z, k[e + 2], scores[i]);
        scores[i] = __fmaf_rn(q.w, k[e + 3], scores[i]);
      }
    }
  }
  for (; d < count; d += 2) {
    const float2 two = Elements<T>::pair(key + d);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      scores[i] = __fmaf_rn(queries[i * stride + d], two.x, scores[i]);
      scores[i] = __fmaf_rn(queries[i * stride + d + 1], two.y, scores[i]);
    }
  }
}

/// The softmax of 32 positions from `first` on, one for each lane, of each pair: from the lane's
/// scores, and the values, rows of `stride` elements. Those of positions that no pair sees are read
/// and not used.
template <typename T, int kCount>
__device__ inline void weigh_values(const StepAttention& args, const Pair (&pairs)[kCount],
                                    float (&scores)[kCount], const T* values, int stride,
                                    int64_t first, Softmax (&parts)[kCount]) {
  const int lane = threadIdx.x % 32;
  const int64_t position = first + lane;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    parts[i].clear();
    const bool visible = pairs[i].there && position >= pairs[i].first && position < pairs[i].end;
    const float score = visible ? adjusted(args, pairs[i], scores[i], position) : kNone;
    parts[i].largest = max_of_warp(score);
    scores[i] = visible ? exponential(score - parts[i].largest) : 0.0f;
    parts[i].sum = sum_of_warp(scores[i]);
  }
#pragma unroll 8
  for (int j = 0; j < kStepPositions; ++j) {
    const T* value = values + j * stride;
    float2 two[Softmax::kMostPieces] = {};
#pragma unroll
    for (int piece = 0; piece < Softmax::kMostPieces; ++piece) {
      const int d = piece * 64 + 2 * lane;
      if (d < args.head_dim) two[piece] = Elements<T>::pair(value + d);
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float weight = __shfl_sync(kWholeWarp, scores[i], j);
      if (weight == 0) continue;  // the same for the whole warp; what lies there may be anything
#pragma unroll
      for (int piece = 0; piece < Softmax::kMostPieces; ++piece) {
        if (piece * 64 + 2 * lane >= args.head_dim) break;
        float2& sum = parts[i].values[piece];
        sum.x = __fmaf_rn(weight, two[piece].x, sum.x);
        sum.y = __fmaf_rn(weight, two[piece].y, sum.y);
      }
    }
  }
}

/// Where the keys of position `at` lie.
template <typename T>
__device__ const std::byte* cache_rows(const StepAttention& args, const AttentionTile& tile,
                                       int kv_head, int64_t at) {
  const int32_t* pages =
      args.sees == StepAttention::Sees::source ? args.step.source_pages : args.step.pages;
  const int64_t page = pages[tile.slice * args.step.page_stride + at / kPagePositions];
  return args.cache.base + page * args.cache.page_bytes + kv_head * args.cache.head_bytes +
         at % kPagePositions * args.head_dim * static_cast<int64_t>(sizeof(T));
}

}  // namespace octet::ops::cuda

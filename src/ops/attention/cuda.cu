// Attention on a GPU, for prompts: tiles of rows and heads that share what they read.
#include "ops/attention/softmax.cuh"

namespace octet::ops::cuda {

namespace {

constexpr int kPairsOfWarp = kAttentionPairs / kAttentionWarps;

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
    for (int i = threadIdx.x; i < rows * chunks; i += kAttentionThreads) {
      const int row = i / chunks;
      const int chunk = i % chunks;
      *reinterpret_cast<uint4*>(to + row * stride + chunk * kChunk) =
          *reinterpret_cast<const uint4*>(source + row * head_dim + chunk * kChunk);
    }
  } else {
    for (int i = threadIdx.x; i < rows * head_dim; i += kAttentionThreads) {
      to[i / head_dim * stride + i % head_dim] = source[i];
    }
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
__global__ __launch_bounds__(kAttentionThreads) void attention_kernel(StepAttention args) {
  OCTET_DYNAMIC_SHARED(std::byte, memory);
  let_next_kernel_start();
  wait_for_earlier_kernels();
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
    for (int d = threadIdx.x; d < args.head_dim; d += kAttentionThreads) {
      queries[index * query_stride(args.head_dim) + d] =
          args.q[pair.row * args.q_stride + pair.head * args.head_dim + d] * args.scale;
    }
  }
  Pair pairs[kPairsOfWarp];
  Softmax totals[kPairsOfWarp];
  Softmax splits[kPairsOfWarp];
  Softmax parts[kPairsOfWarp];
#pragma unroll
  for (int i = 0; i < kPairsOfWarp; ++i) {
    pairs[i] = pair_of(args, tile, warp * kPairsOfWarp + i, kv_head);
    totals[i].clear();
    splits[i].clear();
  }
  for (int64_t at = first / kStepPositions * kStepPositions; at < end; at += kStepPositions) {
    const std::byte* head = cache_rows<T>(args, tile, kv_head, at);
    const int count = static_cast<int>(min(static_cast<int64_t>(kStepPositions), end - at));
    __syncthreads();
    load_rows(head, args.head_dim, count, keys, stride);
    load_rows(head + args.cache.key_bytes, args.head_dim, count, values, stride);
    __syncthreads();
    const bool last = (at + kStepPositions) % kSplitPositions == 0;
    float scores[kPairsOfWarp] = {};
    add_scores(keys + threadIdx.x % 32 * stride,
               queries + warp * kPairsOfWarp * query_stride(args.head_dim),
               query_stride(args.head_dim), args.head_dim, scores);
    weigh_values(args, pairs, scores, values, stride, at, parts);
#pragma unroll
    for (int i = 0; i < kPairsOfWarp; ++i) {
      merge(splits[i], parts[i]);
      if (last) {
        merge(totals[i], splits[i]);
        splits[i].clear();
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kPairsOfWarp; ++i) {
    if (!pairs[i].there) continue;
    merge(totals[i], splits[i]);
    write_result(args, pairs[i], totals[i]);
  }
}

template <typename T>
void launch(const StepAttention& args, device::Stream stream) {
  const int bytes =
      2 * kStepPositions * key_stride<T>(args.head_dim) * static_cast<int>(sizeof(T)) +
      kAttentionPairs * query_stride(args.head_dim) * static_cast<int>(sizeof(float));
  run_kernel_early(
      attention_kernel<T>,
      dim3(static_cast<unsigned>(args.tile_count), static_cast<unsigned>(args.kv_heads)),
      kAttentionThreads, bytes, stream, args);
}

}  // namespace

void attention(const StepAttention& args, device::Stream stream) {
  if (args.tile_count == 0) return;
  if (args.splits > 0) {
    split_attention(args, stream);
  } else if (args.cache.type == CacheType::f32) {
    launch<float>(args, stream);
  } else {
    launch<__half>(args, stream);
  }
  device::check_launch("attention");
}

}  // namespace octet::ops::cuda

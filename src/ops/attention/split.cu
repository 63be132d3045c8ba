// Attention of few rows on a GPU, for decoding: the positions of a row over many warps and blocks.
#include "ops/attention/softmax.cuh"

namespace octet::ops::cuda {

namespace {

/// Writes a part as [head_dim] sums, the largest score and the sum of weights.
__device__ void write_part(const StepAttention& args, const Softmax& softmax, float* to) {
  const int lane = threadIdx.x % 32;
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

/// Dimension d of parts merged in their order, as `merge` does it.
struct MergedDimension {
  float largest = kNone;
  float sum = 0;
  float value = 0;

  __device__ void add(float part_largest, float part_sum, float part_value) {
    if (part_largest == kNone) return;
    if (largest == kNone) {
      largest = part_largest;
      sum = part_sum;
      value = part_value;
      return;
    }
    const Merge merged(largest, part_largest);
    largest = merged.largest;
    sum = merged(sum, part_sum);
    value = merged(value, part_value);
  }
};

/// Pairs of a row and a head that a warp of split_attention_kernel works on at once: the heads of
/// a group in most models.
constexpr int kSplitPairs = 4;

/// True in the block that comes last of those with a tile and KV head; it sees what all wrote.
__device__ bool is_last_split(const StepAttention& args) {
  if (gridDim.z == 1) return true;
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    uint32_t* counter = args.counters + blockIdx.x * gridDim.y + blockIdx.y;
    last = atomicAdd(counter, 1u) == gridDim.z - 1;
    if (last) *counter = 0;
  }
  __syncthreads();
  __threadfence();
  return last;
}

/// Merges the splits of a tile's pairs in their order.
__device__ void merge_splits(const StepAttention& args, const AttentionTile& tile, int kv_head) {
  const int64_t width = args.head_dim + 2;
  for (int i = threadIdx.x; i < kAttentionPairs * args.head_dim; i += kAttentionThreads) {
    const int d = i % args.head_dim;
    const Pair pair = pair_of(args, tile, i / args.head_dim, kv_head);
    if (!pair.there) return;
    const float* part = args.partial + (pair.row * args.heads + pair.head) * args.splits * width;
    MergedDimension merged;
    for (int64_t split = 0; split < args.splits; ++split, part += width) {
      merged.add(__ldcg(part + args.head_dim), __ldcg(part + args.head_dim + 1), __ldcg(part + d));
    }
    args.out[pair.row * args.out_stride + pair.head * args.head_dim + d] =
        merged.value / merged.sum;
  }
}

/// A lane's share of 32 rows of kKeyBytes bytes of keys, on the way to shared memory.
constexpr int kKeyBytes = 128;
constexpr int kKeyStride = kKeyBytes + 16;  // keeps lanes that read their rows on different banks

struct KeyChunks {
  static constexpr int kOfRow = kKeyBytes / 16;
  uint4 chunks[kOfRow];

  /// `row_bytes` apart in memory; `bytes` of each are there.
  __device__ void load(const std::byte* from, int64_t row_bytes, int bytes) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < kOfRow; ++i) {
      const int row = i * 4 + lane / kOfRow;
      const int at = lane % kOfRow * 16;
      if (at < bytes) {
        chunks[i] = *reinterpret_cast<const uint4*>(from + row * row_bytes + at);
      }
    }
  }
  __device__ void store(std::byte* to) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < kOfRow; ++i) {
      const int row = i * 4 + lane / kOfRow;
      *reinterpret_cast<uint4*>(to + row * kKeyStride + lane % kOfRow * 16) = chunks[i];
    }
  }
};

/// A lane's scores with the key of its position, by one warp; `rows`: room for 32 · kKeyStride
/// bytes. The next chunk of the keys is on its way while one is worked on.
template <typename T, int kCount>
__device__ void split_scores(const StepAttention& args, const std::byte* keys, const float* queries,
                             std::byte* rows, float (&scores)[kCount]) {
  constexpr int kDims = kKeyBytes / static_cast<int>(sizeof(T));
  const int stride = query_stride(args.head_dim);
  const int64_t row_bytes = args.head_dim * static_cast<int64_t>(sizeof(T));
  const bool whole = row_bytes % 16 == 0;
  const int lane = threadIdx.x % 32;
  KeyChunks next;
  if (whole) next.load(keys, row_bytes, static_cast<int>(row_bytes));
  for (int d = 0; d < args.head_dim; d += kDims) {
    const int count = min(kDims, args.head_dim - d);
    if (whole) {
      next.store(rows);
    } else {
      for (int i = lane; i < kStepPositions * count; i += 32) {
        reinterpret_cast<T*>(rows + i / count * kKeyStride)[i % count] =
            reinterpret_cast<const T*>(keys + i / count * row_bytes)[d + i % count];
      }
    }
    __syncwarp();
    if (whole && d + kDims < args.head_dim) {
      const int64_t at = (d + kDims) * static_cast<int64_t>(sizeof(T));
      next.load(keys + at, row_bytes, static_cast<int>(row_bytes - at));
    }
    add_scores(reinterpret_cast<const T*>(rows + lane * kKeyStride), queries + d, stride, count,
               scores);
    __syncwarp();
  }
}

/// Merges the warps' parts of a split in their order, to `partial` or, of one split, to the end.
__device__ void merge_warps(const StepAttention& args, const AttentionTile& tile, int kv_head,
                            int base, const float* parts) {
  const int64_t width = args.head_dim + 2;
  for (int i = threadIdx.x; i < kSplitPairs * args.head_dim; i += kAttentionThreads) {
    const int index = i / args.head_dim;
    const int d = i % args.head_dim;
    const Pair pair = pair_of(args, tile, base + index, kv_head);
    if (!pair.there) return;
    MergedDimension merged;
    for (int warp = 0; warp < kAttentionWarps; ++warp) {
      const float* part = parts + (warp * kSplitPairs + index) * width;
      merged.add(part[args.head_dim], part[args.head_dim + 1], part[d]);
    }
    if (gridDim.z == 1) {
      args.out[pair.row * args.out_stride + pair.head * args.head_dim + d] =
          merged.value / merged.sum;
      continue;
    }
    float* to =
        args.partial + ((pair.row * args.heads + pair.head) * args.splits + blockIdx.z) * width;
    to[d] = merged.value;
    if (d == 0) {
      to[args.head_dim] = merged.largest;
      to[args.head_dim + 1] = merged.sum;
    }
  }
}

/// Shared memory of split_attention_kernel: queries, the warps' parts, the warps' keys.
struct SplitMemory {
  int64_t queries;
  int64_t parts;

  __host__ __device__ explicit SplitMemory(int head_dim)
      : queries(int64_t{kSplitPairs} * query_stride(head_dim) * 4),
        parts(int64_t{kAttentionWarps} * kSplitPairs * (head_dim + 2) * 4) {}
  __host__ __device__ int64_t keys_at() const { return rounded_up(queries + parts, 16); }
  __host__ __device__ int64_t bytes() const {
    return keys_at() + int64_t{kAttentionWarps} * kStepPositions * kKeyStride;
  }
};

/// Attention of few rows: a block has the kSplitPositions positions of a split, each of its warps
/// 32 of them, so that a row takes no longer than 32 positions do.
template <typename T>
__global__ __launch_bounds__(kAttentionThreads) void split_attention_kernel(StepAttention args) {
  OCTET_DYNAMIC_SHARED(std::byte, memory);
  let_next_kernel_start();
  wait_for_earlier_kernels();
  const SplitMemory places(args.head_dim);
  const int stride = query_stride(args.head_dim);
  auto* queries = reinterpret_cast<float*>(memory);
  auto* written = reinterpret_cast<float*>(memory + places.queries);
  const int warp = threadIdx.x / 32;
  std::byte* rows = memory + places.keys_at() + warp * kStepPositions * kKeyStride;
  const AttentionTile tile = args.tiles[blockIdx.x];
  const int kv_head = blockIdx.y;
  const int64_t at = blockIdx.z * kSplitPositions + warp * kStepPositions;
  for (int base = 0; base < kAttentionPairs; base += kSplitPairs) {
    Pair pairs[kSplitPairs];
    int64_t first = INT64_MAX;
    int64_t end = 0;
#pragma unroll
    for (int i = 0; i < kSplitPairs; ++i) {
      pairs[i] = pair_of(args, tile, base + i, kv_head);
      if (!pairs[i].there) continue;
      first = min(first, pairs[i].first);
      end = max(end, pairs[i].end);
    }
    if (!pairs[0].there) break;
    __syncthreads();
    for (int i = threadIdx.x; i < kSplitPairs * stride; i += kAttentionThreads) {
      const Pair pair = pair_of(args, tile, base + i / stride, kv_head);
      const int d = i % stride;
      const bool there = pair.there && d < args.head_dim;
      queries[i] =
          there ? args.q[pair.row * args.q_stride + pair.head * args.head_dim + d] * args.scale
                : 0.0f;
    }
    __syncthreads();
    Softmax parts[kSplitPairs];
    if (at < end && at + kStepPositions > first) {
      const std::byte* keys = cache_rows<T>(args, tile, kv_head, at);
      float scores[kSplitPairs] = {};
      split_scores<T>(args, keys, queries, rows, scores);
      weigh_values(args, pairs, scores, reinterpret_cast<const T*>(keys + args.cache.key_bytes),
                   args.head_dim, at, parts);
    } else {
#pragma unroll
      for (int i = 0; i < kSplitPairs; ++i) parts[i].clear();
    }
#pragma unroll
    for (int i = 0; i < kSplitPairs; ++i) {
      write_part(args, parts[i], written + (warp * kSplitPairs + i) * (args.head_dim + 2));
    }
    __syncthreads();
    merge_warps(args, tile, kv_head, base, written);
  }
  if (gridDim.z > 1 && is_last_split(args)) merge_splits(args, tile, kv_head);
}

template <typename T>
void launch(const StepAttention& args, device::Stream stream) {
  const dim3 grid(static_cast<unsigned>(args.tile_count), static_cast<unsigned>(args.kv_heads),
                  static_cast<unsigned>(args.splits));
  run_kernel_early(split_attention_kernel<T>, grid, kAttentionThreads,
                   SplitMemory(args.head_dim).bytes(), stream, args);
}

}  // namespace

void split_attention(const StepAttention& args, device::Stream stream) {
  if (args.cache.type == CacheType::f32) {
    launch<float>(args, stream);
  } else {
    launch<__half>(args, stream);
  }
}

}  // namespace octet::ops::cuda

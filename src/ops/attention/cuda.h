// Heads of queries, keys and values, their cache, and attention, on a GPU.
#pragma once

#include <cstdint>

#include "ops/attention/attention.h"
#include "ops/quantize_rows/cuda.h"

namespace octet::ops::cuda {

/// The rows of a step and the sequences they belong to, all in the GPU's memory.
struct StepRowsView {
  int64_t rows = 0;
  const int32_t* slice = nullptr;     ///< [rows] which slice a row is of
  const int32_t* position = nullptr;  ///< [rows]
  // Of each slice:
  const int32_t* first_row = nullptr;
  const int32_t* slice_rows = nullptr;
  const int32_t* source_positions = nullptr;
  const int32_t* pages = nullptr;         ///< [slices][page_stride] page tables
  const int32_t* source_pages = nullptr;  ///< likewise, or null
  int64_t page_stride = 0;
};

/// A layer's keys and values. Head h of page i lies at base + i·page_bytes + h·head_bytes: keys
/// [64][head_dim], and from key_bytes on values [64][head_dim], f16 or f32.
struct CacheView {
  std::byte* base = nullptr;
  int64_t page_bytes = 0;
  int64_t head_bytes = 0;
  int64_t key_bytes = 0;
  CacheType type = CacheType::f16;
};

/// What heads are before attention reads them: clipped, normalised, turned to their positions; in
/// place, and keys and values written to the cache.
struct PrepareHeads {
  StepRowsView step;
  float* qkv = nullptr;  ///< [rows, stride]: query heads, key heads, value heads
  int64_t stride = 0;
  int heads = 0;  ///< 0: keys and values alone (of an encoder's output)
  int kv_heads = 0;
  int head_dim = 0;
  float clip = 0;
  // Norm of queries and keys: of each head, or of all at once.
  bool norm_heads = false;
  const float* query_weight = nullptr;  ///< null: no norm
  const float* query_bias = nullptr;
  int64_t query_weights = 0;  ///< head_dim (shared by the heads) or all
  const float* key_weight = nullptr;
  const float* key_bias = nullptr;
  int64_t key_weights = 0;
  float weight_offset = 0;
  float epsilon = 0;
  bool subtract_mean = false;
  // Rotary embedding; rotary_dim 0: none. cos, sin: [positions][rotary_dim / 2].
  int rotary_dim = 0;
  bool interleaved = false;
  const float* cos = nullptr;
  const float* sin = nullptr;
  CacheView cache;
  ErrorMark error;  ///< a key or value that does not fit the cache
};
void prepare_heads(const PrepareHeads& args, device::Stream stream);

/// Query heads that share a KV head, of consecutive rows of a slice, are worked on 16 at a time.
inline constexpr int kAttentionPairs = 16;
struct AttentionTile {
  int32_t slice = 0;
  int32_t first_pair = 0;  ///< row of the slice · (heads / kv_heads) + head of the group
};

/// Attention as ops/attention has it, but for its order of roundings: products in float32, 32
/// positions by themselves and merged in order to kSplitPositions, and these in order to all.
struct StepAttention {
  StepRowsView step;
  const AttentionTile* tiles = nullptr;
  int64_t tile_count = 0;
  const float* q = nullptr;  ///< [rows, q_stride]
  int64_t q_stride = 0;
  float* out = nullptr;
  int64_t out_stride = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;  ///< even
  CacheView cache;
  float scale = 1;
  float softcap = 0;
  int64_t window = 0;
  const float* slopes = nullptr;  ///< [heads], or null
  const float* bias = nullptr;    ///< [heads][2·bias_reach + 1], or null
  int64_t bias_reach = 0;
  /// Which positions a row sees: those up to its own, all of its slice, or all of the source.
  enum class Sees : uint8_t { earlier, slice, source };
  Sees sees = Sees::earlier;
  /// > 0: this many splits side by side, through `partial` [rows][heads][splits][head_dim + 2]
  /// and `counters` [tile_count][kv_heads], zeros, and left as zeros.
  int64_t splits = 0;
  float* partial = nullptr;
  uint32_t* counters = nullptr;
};
void attention(const StepAttention& args, device::Stream stream);
/// What `attention` does where there are splits.
void split_attention(const StepAttention& args, device::Stream stream);

}  // namespace octet::ops::cuda

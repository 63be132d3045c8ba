// Attention of query rows of one sequence over its paged key/value cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/registry.h"

namespace octet::ops {

/// Positions per page of the key/value cache; page p of a sequence holds positions
/// [64p, 64p + 64). A softmax step covers one page, so its boundaries are absolute positions.
inline constexpr int64_t kPagePositions = 64;

/// Largest head_dim: kernels keep their rows in arrays of this size.
inline constexpr int64_t kMaxHeadDim = 256;

enum class CacheType : uint8_t { f16, f32 };

/// Where the keys and values of one KV head lie inside a page (`head_dim` = d, 1 to kMaxHeadDim).
/// f16: keys [4][dk/2][16][2] with dk = padded(d, 32): panel j holds positions 16j..16j+15 as
/// matmul16 columns, the pairs running over dimensions. Values [dv/16][32][16][2] with
/// dv = padded(d, 16): panel j holds dimensions 16j..16j+15, the pairs running over positions.
/// f32: keys [4][d][16], values [dv/16][64][16].
/// A page is zero when it is new; later it may hold whatever write_cache stored for another
/// sequence. Nothing but zeros and write_cache's finite values may ever stand in it.
struct CacheHeadLayout {
  CacheType type = CacheType::f16;
  int64_t head_dim = 0;

  int64_t key_bytes() const;
  int64_t value_bytes() const;
  int64_t bytes() const { return key_bytes() + value_bytes(); }  ///< keys first, then values
};

/// Writes the key and value (head_dim floats each, rounded to nearest even) of one position
/// (slot = position % 64) of one KV head. Returns false and stores nothing when one of them is NaN
/// or infinite or, in an f16 cache, would round to infinity (|x| ≥ 65520).
/// Different slots of a page may be written by different threads at the same time.
bool write_cache(const CacheHeadLayout& layout, std::byte* head, int64_t slot, const float* key,
                 const float* value);

/// `rows` consecutive positions of one sequence, times the `heads` query heads that share one KV
/// head. Each (row, head) is worked out by itself, t = first_position + row being its position, in
/// this order of float32 roundings (denormals flushed, see Matmul16Args; every operation written
/// here rounds by itself, exp and tanh are ops/simd's own, exp(−∞) = 0):
///
///   q' = q · scale;  m = −∞;  l = 0;  acc[d] = 0
///   for each page, rising, that holds a visible position, over its 64 slots j:
///     s[j] = q' · key[j]                                   a product, from 0
///     if softcap > 0:  s[j] = softcap · tanh(s[j] / softcap)
///     if slope ≠ 0:    s[j] = s[j] + slope · (position of j − t)              (ALiBi)
///     if bias:  s[j] = s[j] + bias[clamp(position of j − t, ±bias_reach) + bias_reach]   (T5)
///     s[j] = −∞ where j is hidden, whatever the page holds there
///     m' = max(m, max_j s[j]);  f = exp(m − m');  m = m'
///     p[j] = exp(s[j] − m)                                 so 0 where j is hidden
///     l = l · f + sum(p)
///     acc[d] = acc[d] · f, then plus p · value[·][d]       a product, going on from acc · f
///   out = acc / l
///
/// Position j is visible when j ≤ t (with positions > 0 when j < positions, before t or after) and,
/// with window > 0, j > t − window. A page without visible
/// positions for a (row, head) leaves its m, l and acc alone, whatever other rows see in it.
/// sum(p): the 4 groups of 16 slots added lane by lane, rising; then the 16 lanes as a tree (lane i
/// + lane i+8, then +4, +2, +1).
/// A product with an f16 cache is matmul16's, with two activation planes of q' and p, f16 weights,
/// k = dk (q' padded with zeros) for scores and k = 64, accumulating, for values. With an f32 cache
/// it is matmul32's: for each block of 32 dimensions (slots for values; the last block may be
/// shorter) one chain s = fma(q'[d], key[j][d], s) from 0, added to the sum.
///
/// Positions 0 to the last row's (or positions − 1) must be in the cache. out does not overlap q. A
/// (row, head) whose scores overflow gives NaN.
struct AttentionArgs {
  const float* q = nullptr;  ///< row r, head h: q + r·q_stride + h·head_dim
  int64_t q_stride = 0;
  float* out = nullptr;  ///< same shape as q
  int64_t out_stride = 0;
  int64_t rows = 0;
  int64_t first_position = 0;
  int heads = 1;
  CacheHeadLayout layout;
  const std::byte* cache = nullptr;  ///< page i's head data: cache + pages[i]·page_stride
  int64_t page_stride = 0;           ///< bytes
  const int32_t* pages = nullptr;    ///< the sequence's page table, for positions 0, 64, …
  float scale = 1;
  float softcap = 0;
  int64_t window = 0;
  const float* slopes = nullptr;  ///< [heads], or null
  const float* bias = nullptr;    ///< [heads][2·bias_reach + 1], or null
  int64_t bias_reach = 0;
  int64_t positions = 0;  ///< > 0: all of so many are seen by every row (encoders)
};

using AttentionFunction = void(const AttentionArgs&);

/// Kernels for both cache types; each runs on the calling thread.
std::span<const Kernel<AttentionFunction>> attention_kernels();

}  // namespace octet::ops

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

enum class CacheType : uint8_t { f16, f32 };

/// Where the keys and values of one KV head lie inside a page (`head_dim` = d).
/// f16: keys [4][dk/2][16][2] with dk = padded(d, 32): panel j holds positions 16j..16j+15 as
/// matmul16 columns, the pairs running over dimensions. Values [dv/16][32][16][2] with
/// dv = padded(d, 16): panel j holds dimensions 16j..16j+15, the pairs running over positions.
/// f32: keys [4][d][16], values [dv/16][64][16].
struct CacheHeadLayout {
  CacheType type = CacheType::f16;
  int64_t head_dim = 0;

  int64_t key_bytes() const;
  int64_t value_bytes() const;
  int64_t bytes() const { return key_bytes() + value_bytes(); }  ///< keys first, then values
};

/// Writes the key and value of one position (slot = position % 64) of one KV head.
/// Returns false when a value does not fit the type (|x| > 65504, NaN) — nothing useful is stored.
bool write_cache(const CacheHeadLayout& layout, std::byte* head, int64_t slot, const float* key,
                 const float* value);

/// `rows` consecutive positions of one sequence, first_position + r, times the `heads` query heads
/// that share one KV head. Positions ≤ the row's own are visible, those in the last `window` only
/// when window > 0.
///
/// For each page, rising, that holds a position visible to the row (f16 cache; c = matmul16's order
/// with two activation planes and f16 weights):
///   s[j] = matmul16(q · scale, keys)[j]; softcap > 0: s = softcap · tanh(s / softcap);
///   slope ≠ 0 (ALiBi): s[j] = s[j] + slope · (key position − query position);
///   hidden positions drop out (probability 0);
///   m' = max(m, max_j s[j]);  f = exp(m − m');  p[j] = exp(s[j] − m');
///   l = l · f + sum(p), where sum adds the 4 groups of 16 positions lane by lane, rising, then
///   the 16 lanes as a tree (lane i + lane i+8, then +4, +2, +1);
///   acc = acc · f + matmul16's sum over the page's 64 positions of (p, values), continuing: the
///   two K blocks of 32 are added to acc·f term by term in matmul16's order.
/// out = acc / l. f32 cache: the same with plain products in matmul32's order (blocks of 32 over
/// dimensions and over positions). exp and tanh are ops/simd's own.
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
};

using AttentionFunction = void(const AttentionArgs&);

/// Kernels for both cache types; each runs on the calling thread.
std::span<const Kernel<AttentionFunction>> attention_kernels();

}  // namespace octet::ops

// The loops around the vector kernels of the int8 product: what is read when, and from which cache.
//
// A kernel file defines a type in its anonymous namespace and calls blocked_int8_matmul with it, so
// everything here is compiled once per instruction set, with internal linkage. The type has
//   kStreamRows              up to so many rows are multiplied in one pass while b streams by
//   rows_at_once(rows)       more are cut into blocks of so many (≤ kStreamRows), which find b in a
//                            cache
//   kBias                    what the bytes of a are xored with (0x80: a + 128, unsigned)
//   panels_at_once(rows)     panels it multiplies at once for so many rows
//   multiply<Rows, Panels>(block)
#pragma once

#include <cstdint>

#include "ops/int8_matmul/int8_matmul.h"

namespace octet::ops {

// Up to kStreamRows rows × some panels × a block of k.
struct Int8Block {
  const uint8_t* a = nullptr;  // biased rows, a_stride bytes apart
  int64_t a_stride = 0;
  const int8_t* b = nullptr;  // the block's first element of its first panel
  int64_t panel_bytes = 0;    // from one panel to the next
  int64_t k = 0;
  const int32_t* column_sums = nullptr;
  int32_t* c = nullptr;
  int64_t c_stride = 0;
  bool first = false;  // the sums start here; else they continue those in c
  // What is prefetched while byte i of panel p is read: byte i + `near` of the same panel while k
  // is below `near_k`, byte i + far[p] from there on.
  int64_t near = 0;
  int64_t near_k = 0;
  const int64_t* far = nullptr;
};

// Bytes of biased rows of a that a block uses; on the stack, and small beside L2.
inline constexpr int64_t kInt8ScratchBytes = 98304;
// With more rows than one block has, b is read in blocks of so many values of k: the panels that
// are multiplied at once (128 KB of four) stay in L2 while the blocks of rows pass by. Blocks that
// fit L1 were slower: sums are loaded and stored once for every block of k.
inline constexpr int64_t kInt8BlockK = 2048;
// Most panels multiplied at once; four streams are what memory likes best.
inline constexpr int64_t kInt8MostPanels = 4;
// Panels for which one biased copy of a serves.
inline constexpr int64_t kInt8SharedPanels = 16;
// How far ahead a single block of rows prefetches in each stream from memory.
inline constexpr int64_t kInt8StreamAhead = 3072;

template <class Micro, int Rows, int Panels>
void multiply_panels(Int8Block& block, int64_t& panels) {
  while (panels >= Panels) {
    Micro::template multiply<Rows, Panels>(block);
    panels -= Panels;
    block.b += Panels * block.panel_bytes;
    block.c += Panels * kPanelColumns;
    block.column_sums += Panels * kPanelColumns;
    block.far += Panels;
  }
}

template <class Micro, int Rows>
void multiply_rows(Int8Block block, int64_t rows, int64_t panels) {
  if constexpr (Rows > 1) {
    if (rows < Rows) {
      multiply_rows<Micro, Rows - 1>(block, rows, panels);
      return;
    }
  }
  constexpr int kAtOnce = Micro::panels_at_once(Rows);
  multiply_panels<Micro, Rows, kAtOnce>(block, panels);
  if constexpr (kAtOnce > 2) multiply_panels<Micro, Rows, 2>(block, panels);
  if constexpr (kAtOnce > 1) multiply_panels<Micro, Rows, 1>(block, panels);
}

static inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static inline int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// The size of even parts of `total`, each at most `limit`, in multiples of `step`.
static inline int64_t even_part(int64_t total, int64_t limit, int64_t step) {
  const int64_t parts = (total + limit - 1) / limit;
  return parts <= 1 ? total : ((total + parts - 1) / parts + step - 1) / step * step;
}

// Values of k whose biased rows fit the scratch memory.
static inline int64_t stream_k(int64_t rows) {
  return kInt8ScratchBytes / larger(rows, 1) / 64 * 64;
}

template <class Micro>
void bias_rows(const Int8MatmulArgs& args, int64_t row, int64_t rows, int64_t k, int64_t block_k,
               uint8_t* out) {
  for (int64_t r = 0; r < rows; ++r) {
    const int8_t* from = args.a + (row + r) * args.a_stride + k;
    uint8_t* to = out + r * block_k;
    for (int64_t i = 0; i < block_k; ++i) to[i] = static_cast<uint8_t>(from[i]) ^ Micro::kBias;
  }
}

// rows × panels × one block of k, from biased rows.
//
// A single block of rows streams b: each panel is prefetched some way ahead, and near its end the
// beginning of the panel that the next group reads. Several blocks of rows find b in a cache and
// share the prefetching of the next group among them, panel by panel, so that memory never waits.
template <class Micro>
void multiply_block(const Int8Block& block, int64_t rows, int64_t panels) {
  const bool single = rows <= Micro::kStreamRows;
  const int64_t row_step = single ? rows : even_part(rows, Micro::rows_at_once(rows), 1);
  const int64_t row_blocks = single ? 1 : (rows + row_step - 1) / row_step;
  const int64_t group_panels = even_part(panels, Micro::panels_at_once(row_step), 1);
  const int64_t next_group = group_panels * block.panel_bytes;
  const int64_t near_k = block.k - kInt8StreamAhead / kPanelColumns;
  for (int64_t group = 0; group < panels; group += group_panels) {
    Int8Block part = block;
    part.b += group * block.panel_bytes;
    part.c += group * kPanelColumns;
    part.column_sums += group * kPanelColumns;
    part.near = kInt8StreamAhead;
    part.near_k = single && near_k > 0 ? near_k : 0;
    for (int64_t i = 0; i < row_blocks; ++i) {
      int64_t far[kInt8MostPanels];
      for (int64_t p = 0; p < kInt8MostPanels; ++p) {
        far[p] = p % row_blocks == i ? next_group - part.near_k * kPanelColumns : 0;
      }
      part.far = far;
      multiply_rows<Micro, Micro::kStreamRows>(part, smaller(row_step, rows - i * row_step),
                                               smaller(group_panels, panels - group));
      part.a += row_step * part.a_stride;
      part.c += row_step * part.c_stride;
    }
  }
}

template <class Micro>
void blocked_int8_matmul(const Int8MatmulArgs& args) {
  alignas(64) uint8_t scratch[kInt8ScratchBytes];
  const bool single = args.rows <= Micro::kStreamRows;
  const int64_t k_limit =
      single ? stream_k(args.rows) : even_part(larger(args.k, 64), kInt8BlockK, 64);
  const int64_t at_once = Micro::rows_at_once(args.rows);
  const int64_t row_step =
      single ? args.rows
             : even_part(args.rows, kInt8ScratchBytes / k_limit / at_once * at_once, at_once);
  for (int64_t row = 0; row < args.rows; row += row_step) {
    const int64_t rows = smaller(row_step, args.rows - row);
    for (int64_t panel = 0; panel < args.panels; panel += kInt8SharedPanels) {
      int64_t k = 0;
      do {  // once also for k = 0, which sets the sums to zero
        const int64_t block_k = smaller(k_limit, args.k - k);
        bias_rows<Micro>(args, row, rows, k, block_k, scratch);
        const Int8Block block = {.a = scratch,
                                 .a_stride = block_k,
                                 .b = args.b + (panel * args.k + k) * kPanelColumns,
                                 .panel_bytes = args.k * kPanelColumns,
                                 .k = block_k,
                                 .column_sums = args.column_sums + panel * kPanelColumns,
                                 .c = args.c + row * args.c_stride + panel * kPanelColumns,
                                 .c_stride = args.c_stride,
                                 .first = k == 0};
        multiply_block<Micro>(block, rows, smaller(kInt8SharedPanels, args.panels - panel));
        k += block_k;
      } while (k < args.k);
    }
  }
}

}  // namespace octet::ops

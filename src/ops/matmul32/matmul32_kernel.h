// The product with 32-bit weights, as a template over the lane type and the size of its tile.
#pragma once

#include "ops/matmul32/matmul32.h"
#include "ops/simd/lanes.h"

namespace octet::ops::simd {

/// Values of k whose products make one chain of fused multiply-adds.
inline constexpr int64_t kChain = 32;
/// Values of k taken at a time when there are many rows: two panels of it (32 KB) stay in L1.
inline constexpr int64_t kDepth = 8 * kChain;
/// Rows taken at a time: kDepth of each (256 KB) stay in L2 while all panels pass.
inline constexpr int64_t kRowBlock = 256;

/// A part of the product: c[r][16·p + n] of `rows` × `panels`, over `depth` values of k starting at
/// a multiple of kChain. With `first` c starts from 0, else it goes on.
struct Matmul32Part {
  const float* a;
  int64_t a_stride;
  const float* b;
  int64_t panel_size;  ///< floats from one panel to the next
  float* c;
  int64_t c_stride;
  int64_t depth;
  bool first;
};

/// One tile: kRows × kPanels chains side by side in registers.
template <typename V, int kRows, int kPanels>
OCTET_LANES void matmul32_tile(const Matmul32Part& part) {
  for (int64_t begin = 0; begin < part.depth; begin += kChain) {
    const int64_t left = part.depth - begin;
    const int64_t count = left < kChain ? left : kChain;
    const float* a = part.a + begin;
    const float* b = part.b + begin * kLanes;
    V chain[kRows][kPanels];
    for (int r = 0; r < kRows; ++r) {
      for (int p = 0; p < kPanels; ++p) chain[r][p] = V::zero();
    }
    for (int64_t k = 0; k < count; ++k) {
      V weights[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        weights[p] = V::load(b + p * part.panel_size + k * kLanes);
      }
      for (int r = 0; r < kRows; ++r) {
        const V x = V::broadcast(a[r * part.a_stride + k]);
        for (int p = 0; p < kPanels; ++p) chain[r][p] = fma(x, weights[p], chain[r][p]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int p = 0; p < kPanels; ++p) {
        float* c = part.c + r * part.c_stride + p * kLanes;
        const V sum = part.first && begin == 0 ? V::zero() : V::load(c);
        (sum + chain[r][p]).store(c);
      }
    }
  }
}

/// The tile with `rows` < kRows rows; each number of rows is its own code.
template <typename V, int kRows, int kPanels>
OCTET_LANES void matmul32_last_rows(const Matmul32Part& part, int64_t rows) {
  if constexpr (kRows > 1) {
    if (rows == kRows - 1) return matmul32_tile<V, kRows - 1, kPanels>(part);
    matmul32_last_rows<V, kRows - 1, kPanels>(part, rows);
  }
}

/// All rows against kPanels panels.
template <typename V, int kRows, int kPanels>
void matmul32_panels(Matmul32Part part, int64_t rows) {
  for (; rows >= kRows; rows -= kRows) {
    matmul32_tile<V, kRows, kPanels>(part);
    part.a += kRows * part.a_stride;
    part.c += kRows * part.c_stride;
  }
  matmul32_last_rows<V, kRows, kPanels>(part, rows);
}

/// `rows` rows against all panels, kPanels at a time, the rest one by one.
template <typename V, int kRows, int kPanels>
void matmul32_rows(Matmul32Part part, int64_t rows, int64_t panels) {
  const auto next = [&part](int64_t count) OCTET_LANES_LAMBDA {
    part.b += count * part.panel_size;
    part.c += count * kLanes;
  };
  for (; panels >= kPanels; panels -= kPanels, next(kPanels)) {
    matmul32_panels<V, kRows, kPanels>(part, rows);
  }
  if constexpr (kPanels > 1) {
    for (; panels > 0; --panels, next(1)) matmul32_panels<V, kRows, 1>(part, rows);
  }
}

/// kRows × kPanels: the tile for many rows. A lone row is bound by memory: it takes all of k from
/// kStreams panels side by side.
template <typename V, int kRows, int kPanels, int kStreams>
OCTET_LANES void matmul32(const Matmul32Args& args) {
  for (int64_t r = 0; args.k == 0 && r < args.rows; ++r) {
    for (int64_t p = 0; p < args.panels; ++p) V::zero().store(args.c + r * args.c_stride + p * 16);
  }
  const bool lone = args.rows == 1;
  const int64_t depth = lone ? args.k : kDepth;
  for (int64_t row = 0; row < args.rows; row += kRowBlock) {
    const int64_t rows = args.rows - row < kRowBlock ? args.rows - row : kRowBlock;
    for (int64_t k = 0; k < args.k; k += depth) {
      const Matmul32Part part{.a = args.a + row * args.a_stride + k,
                              .a_stride = args.a_stride,
                              .b = args.b + k * kLanes,
                              .panel_size = args.k * kLanes,
                              .c = args.c + row * args.c_stride,
                              .c_stride = args.c_stride,
                              .depth = args.k - k < depth ? args.k - k : depth,
                              .first = k == 0};
      // NOLINTNEXTLINE(bugprone-branch-clone): the template arguments differ
      if (lone) {
        matmul32_rows<V, 1, kStreams>(part, rows, args.panels);
      } else {
        matmul32_rows<V, kRows, kPanels>(part, rows, args.panels);
      }
    }
  }
}

}  // namespace octet::ops::simd

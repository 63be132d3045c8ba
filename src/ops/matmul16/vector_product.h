// The loops of the 16-bit product and of the plane split, written once for every vector
// instruction set. Isa (see avx2.cc, avx512.cc) names the lane type V and adds what only it can do:
//   kStreamCells                         rows × panels streamed together: 6 chains each
//   kRows                                rows of a block: 3 chains each
//   widen_f16_pair(p, even, odd)         16 (even, odd) pairs of f16 to float
//   store_upper_halves(p, v)             the 16 upper halves of v's patterns
// It lives in an unnamed namespace, so nothing compiled here for one CPU can be linked into code
// for another.
#pragma once

#include "ops/matmul16/matmul16.h"
#include "ops/simd/lanes.h"

namespace octet::ops::matmul16_vector {

inline constexpr int kBlock = static_cast<int>(kMatmul16KStep);
inline constexpr int kColumns = static_cast<int>(kPanelColumns);
inline constexpr int kPairElements = 2 * kColumns;
/// Rows whose activations of one block are widened together: 16 KB of floats.
inline constexpr int kChunkRows = 64;
/// Panels that share a chunk's widened activations; their sums are as large.
inline constexpr int kGroupPanels = 4;
/// Few rows stream the weights: fetch this far ahead of each stream.
inline constexpr int kPrefetchElements = 1024;

template <typename V>
OCTET_LANES V cut_to_bf16(V x) {
  return V::from_bits(x.bits() & V::Bits::broadcast(0xffff0000u));
}

/// float_to_bf16 of every lane, as a float.
template <typename V>
OCTET_LANES V round_to_bf16(V x) {
  using Bits = typename V::Bits;
  const Bits bits = x.bits();
  const Bits lowest = shift_right<16>(bits) & Bits::broadcast(1);
  const V rounded = V::from_bits(bits + lowest + Bits::broadcast(0x7fff));
  const V quiet_nan = V::from_bits(bits | Bits::broadcast(0x400000));
  return cut_to_bf16(select(equal(x, x), rounded, quiet_nan));
}

template <class Isa, int kPlanes, SixteenBit kType>
struct Product {
  using V = typename Isa::V;
  static constexpr int kWeightPlanes = kType == SixteenBit::f16 ? 2 : 1;
  static constexpr int kTerms = kPlanes + kWeightPlanes - 1;
  static constexpr int kRowFloats = kPlanes * kBlock;

  /// Two successive k of a panel's 16 weights as planes of float: [even or odd][plane].
  struct WeightPair {
    V plane[2][kWeightPlanes];
  };

  static OCTET_LANES WeightPair convert(const uint16_t* pair) {
    WeightPair out;
    if constexpr (kType == SixteenBit::bf16) {
      const V both = V::load(reinterpret_cast<const float*>(pair));
      out.plane[0][0] = V::from_bits(shift_left<16>(both.bits()));
      out.plane[1][0] = cut_to_bf16(both);
    } else {
      V weights[2];
      Isa::widen_f16_pair(pair, weights[0], weights[1]);
      for (int odd = 0; odd < 2; ++odd) {
        out.plane[odd][0] = cut_to_bf16(weights[odd]);
        out.plane[odd][1] = weights[odd] - out.plane[odd][0];
      }
    }
    return out;
  }

  /// The chain of each term over the even or over the odd elements, for one row and one panel.
  struct Chains {
    V sum[kTerms];

    OCTET_LANES void clear() {
      for (V& term : sum) term = V::zero();
    }
    /// a: the row's element in its high plane; b: that element's weights.
    OCTET_LANES void add(const float* a, const V* b) {
      const V high = V::broadcast(a[0]);
      sum[0] = fma(high, b[0], sum[0]);
      if constexpr (kPlanes == 2) sum[1] = fma(V::broadcast(a[kBlock]), b[0], sum[1]);
      if constexpr (kWeightPlanes == 2) sum[kTerms - 1] = fma(high, b[1], sum[kTerms - 1]);
    }
  };

  static OCTET_LANES V finish(V c, const Chains& even, const Chains& odd) {
    for (int term = 0; term < kTerms; ++term) c = c + (even.sum[term] + odd.sum[term]);
    return c;
  }

  /// Activations of one block of `rows` rows to float: [rows][kPlanes][32].
  static void widen_rows(const Matmul16Args& args, int64_t first_row, int64_t rows, int64_t k,
                         float* out) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int plane = 0; plane < kPlanes; ++plane) {
        const uint16_t* in = args.a + (first_row + r) * args.a_stride + plane * args.k + k;
        for (int i = 0; i < kBlock; i += kColumns, out += kColumns) {
          V::load_bf16(in + i).store(out);
        }
      }
    }
  }

  /// Few rows: weights go from memory through registers, kWide panels at a time, and the sums of
  /// all of K stay in registers.
  template <int kRows, int kWide>
  static void stream(const Matmul16Args& args, int64_t panel) {
    const uint16_t* b = args.b + panel * kColumns * args.k;
    float* c = args.c + panel * kColumns;
    V sums[kRows][kWide];
    for (int r = 0; r < kRows; ++r) {
      for (int w = 0; w < kWide; ++w) {
        sums[r][w] = args.accumulate ? V::load(c + r * args.c_stride + w * kColumns) : V::zero();
      }
    }
    alignas(64) float a[kRows * kRowFloats];
    for (int64_t k = 0; k < args.k; k += kBlock, b += kBlock * kColumns) {
      widen_rows(args, 0, kRows, k, a);
      Chains chains[kRows][kWide][2];
      for (auto& row : chains) {
        for (auto& cell : row) {
          for (Chains& parity : cell) parity.clear();
        }
      }
#pragma GCC unroll 1
      for (int pair = 0; pair < kBlock / 2; ++pair) {
        for (int w = 0; w < kWide; ++w) {
          const uint16_t* weights = b + w * kColumns * args.k + pair * kPairElements;
          __builtin_prefetch(weights + kPrefetchElements);
          const WeightPair planes = convert(weights);
          for (int r = 0; r < kRows; ++r) {
            for (int odd = 0; odd < 2; ++odd) {
              chains[r][w][odd].add(a + r * kRowFloats + 2 * pair + odd, planes.plane[odd]);
            }
          }
        }
      }
      for (int r = 0; r < kRows; ++r) {
        for (int w = 0; w < kWide; ++w) {
          sums[r][w] = finish(sums[r][w], chains[r][w][0], chains[r][w][1]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int w = 0; w < kWide; ++w) sums[r][w].store(c + r * args.c_stride + w * kColumns);
    }
  }

  template <int kRows>
  static void stream_all(const Matmul16Args& args) {
    constexpr int kWide = Isa::kStreamCells / kRows;
    int64_t panel = 0;
    for (; panel + kWide <= args.panels; panel += kWide) stream<kRows, kWide>(args, panel);
    for (; panel < args.panels; ++panel) stream<kRows, 1>(args, panel);
  }

  /// One block of K for kRows rows and one panel, added to c, which starts from 0 on request.
  /// The odd elements follow after all even ones, so that fewer chains share the registers.
  template <int kRows>
  static void block(const float* a, const WeightPair* b, float* c, bool from_zero) {
    Chains chains[2][kRows];
    for (int odd = 0; odd < 2; ++odd) {
      Chains now[kRows];
      for (Chains& row : now) row.clear();
#pragma GCC unroll 1
      for (int pair = 0; pair < kBlock / 2; ++pair) {
        for (int r = 0; r < kRows; ++r) {
          now[r].add(a + r * kRowFloats + 2 * pair + odd, b[pair].plane[odd]);
        }
      }
      for (int r = 0; r < kRows; ++r) chains[odd][r] = now[r];
    }
    for (int r = 0; r < kRows; ++r, c += kColumns) {
      finish(from_zero ? V::zero() : V::load(c), chains[0][r], chains[1][r]).store(c);
    }
  }

  /// Rows [row, rows), kRows at a time and the rest in halves of that.
  template <int kRows>
  static void block_rows(const float* a, const WeightPair* b, float* c, int64_t row, int64_t rows,
                         bool from_zero) {
    for (; row + kRows <= rows; row += kRows) {
      block<kRows>(a + row * kRowFloats, b, c + row * kColumns, from_zero);
    }
    if constexpr (kRows > 1) block_rows<kRows / 2>(a, b, c, row, rows, from_zero);
  }

  /// Many rows: a block of weights is converted once for all rows of a chunk, whose sums stay in
  /// the L1 cache for all of K.
  static void chunk(const Matmul16Args& args, int64_t first_row, int64_t rows) {
    alignas(64) float a[kChunkRows * kRowFloats];
    alignas(64) float c[kGroupPanels][kChunkRows * kColumns];
    WeightPair b[kBlock / 2];
    for (int64_t first = 0; first < args.panels; first += kGroupPanels) {
      const int64_t rest = args.panels - first;
      const int64_t panels = rest < kGroupPanels ? rest : kGroupPanels;
      float* out = args.c + first_row * args.c_stride + first * kColumns;
      if (args.accumulate) copy_sums(out, args.c_stride, c, rows, panels, false);
      for (int64_t k = 0; k < args.k; k += kBlock) {
        widen_rows(args, first_row, rows, k, a);
        for (int64_t panel = 0; panel < panels; ++panel) {
          const uint16_t* weights = args.b + ((first + panel) * args.k + k) * kColumns;
          for (int pair = 0; pair < kBlock / 2; ++pair, weights += kPairElements) {
            __builtin_prefetch(weights + kPrefetchElements);
            b[pair] = convert(weights);
          }
          block_rows<Isa::kRows>(a, b, c[panel], 0, rows, k == 0 && !args.accumulate);
        }
      }
      copy_sums(out, args.c_stride, c, rows, panels, true);
    }
  }

  /// Between the caller's rows and a chunk's sums [panel][row][16].
  static void copy_sums(float* out, int64_t stride, float (*c)[kChunkRows * kColumns], int64_t rows,
                        int64_t panels, bool to_caller) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t panel = 0; panel < panels; ++panel) {
        float* theirs = out + r * stride + panel * kColumns;
        float* ours = c[panel] + r * kColumns;
        if (to_caller) {
          V::load(ours).store(theirs);
        } else {
          V::load(theirs).store(ours);
        }
      }
    }
  }

  static void run(const Matmul16Args& args) {
    if (args.rows == 1 || args.k == 0) {
      Matmul16Args row = args;
      row.rows = 1;
      for (int64_t r = 0; r < args.rows; ++r, row.a += args.a_stride, row.c += args.c_stride) {
        stream_all<1>(row);
      }
      return;
    }
    if constexpr (Isa::kStreamCells == 4) {
      if (args.rows == 2) return stream_all<2>(args);
      if (args.rows == 3) return stream_all<3>(args);
      if (args.rows == 4) return stream_all<4>(args);
    }
    for (int64_t r = 0; r < args.rows; r += kChunkRows) {
      chunk(args, r, args.rows - r < kChunkRows ? args.rows - r : kChunkRows);
    }
  }
};

template <class Isa>
void matmul(const Matmul16Args& args) {
  if (args.b_type == SixteenBit::bf16) {
    if (args.planes == 2) return Product<Isa, 2, SixteenBit::bf16>::run(args);
    return Product<Isa, 1, SixteenBit::bf16>::run(args);
  }
  if (args.planes == 2) return Product<Isa, 2, SixteenBit::f16>::run(args);
  Product<Isa, 1, SixteenBit::f16>::run(args);
}

template <class Isa>
void split_planes(const SplitPlanesArgs& args) {
  using V = typename Isa::V;
  const int64_t k = (args.columns + kBlock - 1) / kBlock * kBlock;
  for (int64_t i = 0; i < k; i += kColumns) {
    const int64_t rest = args.columns - i;
    const V x =
        rest >= kColumns ? V::load(args.x + i) : V::load_partial(args.x + i, rest > 0 ? rest : 0);
    const V high = round_to_bf16(x);
    Isa::store_upper_halves(args.out + i, high);
    if (args.planes == 2) Isa::store_upper_halves(args.out + k + i, round_to_bf16(x - high));
  }
}

}  // namespace octet::ops::matmul16_vector

// The loops of the 16-bit product and of the plane split, written once for every vector
// instruction set. Isa (see avx2.cc, avx512.cc) names the lane type V and adds what only it can do:
//   kCells                               (row, panel) pairs whose chains fit the registers
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
/// Panels that share a chunk's widened activations.
inline constexpr int kGroupPanels = 8;
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

  /// The even and the odd chain of each term, for one row and one panel.
  struct Chains {
    V sum[kTerms][2];

    OCTET_LANES void clear() {
      for (auto& term : sum) term[0] = term[1] = V::zero();
    }
    /// a: the row's first element of the pair in its high plane.
    OCTET_LANES void add(const float* a, const WeightPair& b) {
      for (int odd = 0; odd < 2; ++odd) {
        const V high = V::broadcast(a[odd]);
        sum[0][odd] = fma(high, b.plane[odd][0], sum[0][odd]);
        if constexpr (kPlanes == 2) {
          sum[1][odd] = fma(V::broadcast(a[kBlock + odd]), b.plane[odd][0], sum[1][odd]);
        }
        if constexpr (kWeightPlanes == 2) {
          sum[kTerms - 1][odd] = fma(high, b.plane[odd][1], sum[kTerms - 1][odd]);
        }
      }
    }
    OCTET_LANES V add_to(V c) const {
      for (const auto& term : sum) c = c + (term[0] + term[1]);
      return c;
    }
  };

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
      Chains chains[kRows][kWide];
      for (auto& row : chains) {
        for (Chains& cell : row) cell.clear();
      }
      for (int pair = 0; pair < kBlock / 2; ++pair) {
        for (int w = 0; w < kWide; ++w) {
          const uint16_t* weights = b + w * kColumns * args.k + pair * kPairElements;
          __builtin_prefetch(weights + kPrefetchElements);
          const WeightPair planes = convert(weights);
          for (int r = 0; r < kRows; ++r) chains[r][w].add(a + r * kRowFloats + 2 * pair, planes);
        }
      }
      for (int r = 0; r < kRows; ++r) {
        for (int w = 0; w < kWide; ++w) sums[r][w] = chains[r][w].add_to(sums[r][w]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int w = 0; w < kWide; ++w) sums[r][w].store(c + r * args.c_stride + w * kColumns);
    }
  }

  template <int kRows>
  static void stream_all(const Matmul16Args& args) {
    constexpr int kWide = Isa::kCells / kRows;
    int64_t panel = 0;
    for (; panel + kWide <= args.panels; panel += kWide) stream<kRows, kWide>(args, panel);
    for (; panel < args.panels; ++panel) stream<kRows, 1>(args, panel);
  }

  /// One block of K for kRows rows and one panel, added to c. b: the block's 16 pairs.
  template <int kRows>
  static void block(const float* a, const WeightPair* b, float* c, int64_t c_stride,
                    bool from_zero) {
    Chains chains[kRows];
    for (Chains& row : chains) row.clear();
    for (int pair = 0; pair < kBlock / 2; ++pair) {
      for (int r = 0; r < kRows; ++r) chains[r].add(a + r * kRowFloats + 2 * pair, b[pair]);
    }
    for (int r = 0; r < kRows; ++r, c += c_stride) {
      chains[r].add_to(from_zero ? V::zero() : V::load(c)).store(c);
    }
  }

  static void block_rows(const float* a, const WeightPair* b, float* c, int64_t c_stride,
                         int64_t rows, bool from_zero) {
    int64_t r = 0;
    for (; r + Isa::kCells <= rows; r += Isa::kCells) {
      block<Isa::kCells>(a + r * kRowFloats, b, c + r * c_stride, c_stride, from_zero);
    }
    for (; r < rows; ++r) block<1>(a + r * kRowFloats, b, c + r * c_stride, c_stride, from_zero);
  }

  /// Many rows: a block of weights is converted once for all rows of a chunk.
  static void chunk(const Matmul16Args& args, int64_t first_row, int64_t rows) {
    alignas(64) float a[kChunkRows * kRowFloats];
    WeightPair b[kBlock / 2];
    for (int64_t group = 0; group < args.panels; group += kGroupPanels) {
      const int64_t rest = args.panels - group;
      const int64_t end = group + (rest < kGroupPanels ? rest : kGroupPanels);
      for (int64_t k = 0; k < args.k; k += kBlock) {
        widen_rows(args, first_row, rows, k, a);
        for (int64_t panel = group; panel < end; ++panel) {
          const uint16_t* weights = args.b + (panel * args.k + k) * kColumns;
          for (int pair = 0; pair < kBlock / 2; ++pair) {
            b[pair] = convert(weights + pair * kPairElements);
          }
          block_rows(a, b, args.c + first_row * args.c_stride + panel * kColumns, args.c_stride,
                     rows, k == 0 && !args.accumulate);
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
    if constexpr (Isa::kCells == 4) {
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

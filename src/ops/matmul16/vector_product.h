// The loops of the 16-bit product and of the plane split, written once for every vector
// instruction set. A step is as many values of k as one instruction adds to an even and to an odd
// chain. Isa (see avx2.cc, avx512bf16.cc) names the lane type V and adds what only it can do:
//   kStreamCells                         rows × panels streamed together: 6 chains each
//   kParitiesTogether                    whether a block's even and odd chains go side by side
//   rows_of_block(terms)                 its rows, a power of 2,
//   panels_of_block(terms)               and its panels: one chain per term each, or two
//   kStepValues                          values of k of a step
//   Element  Weights                     a row's even or odd values of a step; a panel's
//   arrange(in, out)                     32 bf16 of a row to elements [step][even or odd]
//   convert<type>(p, out)                a step of a panel to Weights out[even or odd][plane]
//   multiply_add(a, b, c)                one element of a row, broadcast, times weights b, plus c
//   store_upper_halves(p, v)             the 16 upper halves of v's patterns
// FloatSteps gives steps of fused multiply-adds for every lane type. Isa lives in an unnamed
// namespace, so nothing compiled here for one CPU can be linked into code for another.
#pragma once

#include "ops/matmul16/matmul16.h"
#include "ops/simd/lanes.h"

namespace octet::ops::matmul16_vector {

inline constexpr int kBlock = static_cast<int>(kMatmul16KStep);
inline constexpr int kColumns = static_cast<int>(kPanelColumns);
/// Of a cache line.
inline constexpr int kLineElements = 32;
/// Rows whose activations of one block are arranged together: 16 KB of floats.
inline constexpr int kChunkRows = 64;
/// Panels that share a chunk's arranged activations; their sums are as large.
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

/// Planes of bf16 that weights of a type are.
constexpr int weight_planes(SixteenBit type) {
  return type == SixteenBit::f16 ? 2 : 1;
}

/// Steps of two values of k, widened to float. Isa adds
///   widen_f16_pair(p, even, odd)         16 (even, odd) pairs of f16 to float
template <class Isa, class Lanes>
struct FloatSteps {
  using V = Lanes;
  static constexpr int kStepValues = 2;
  using Element = float;
  using Weights = V;

  static OCTET_LANES void arrange(const uint16_t* in, float* out) {
    for (int i = 0; i < kBlock; i += kColumns) V::load_bf16(in + i).store(out + i);
  }

  template <SixteenBit kType>
  static OCTET_LANES void convert(const uint16_t* step, V (*out)[weight_planes(kType)]) {
    if constexpr (kType == SixteenBit::bf16) {
      const V both = V::load(reinterpret_cast<const float*>(step));
      out[0][0] = V::from_bits(shift_left<16>(both.bits()));
      out[1][0] = cut_to_bf16(both);
    } else {
      V weights[2];
      Isa::widen_f16_pair(step, weights[0], weights[1]);
      for (int odd = 0; odd < 2; ++odd) {
        out[odd][0] = cut_to_bf16(weights[odd]);
        out[odd][1] = weights[odd] - out[odd][0];
      }
    }
  }

  static OCTET_LANES V multiply_add(float a, V b, V c) { return fma(V::broadcast(a), b, c); }
};

template <class Isa, int kPlanes, SixteenBit kType>
struct Product {
  using V = typename Isa::V;
  using Element = typename Isa::Element;
  using Weights = typename Isa::Weights;
  static constexpr int kWeightPlanes = weight_planes(kType);
  static constexpr int kTerms = kPlanes + kWeightPlanes - 1;
  /// A block of K: its steps, and a row's elements of one plane and of all.
  static constexpr int kSteps = kBlock / Isa::kStepValues;
  static constexpr int kPlaneElements = 2 * kSteps;
  static constexpr int kRowElements = kPlanes * kPlaneElements;
  static constexpr int kStepWeights = Isa::kStepValues * kColumns;
  /// A panel's sums of a chunk of rows.
  using Sums = float[kChunkRows][kColumns];

  struct WeightStep {
    Weights plane[2][kWeightPlanes];  // [even or odd]
  };

  static OCTET_LANES WeightStep convert(const uint16_t* step) {
    WeightStep out;
    Isa::template convert<kType>(step, out.plane);
    return out;
  }

  /// The chain of each term over the even or over the odd elements, for one row and one panel.
  struct Chains {
    V sum[kTerms];

    OCTET_LANES void clear() {
      for (V& term : sum) term = V::zero();
    }
    /// a: the row's element in its high plane; b: that element's weights.
    OCTET_LANES void add(const Element* a, const Weights* b) {
      sum[0] = Isa::multiply_add(a[0], b[0], sum[0]);
      if constexpr (kPlanes == 2) sum[1] = Isa::multiply_add(a[kPlaneElements], b[0], sum[1]);
      if constexpr (kWeightPlanes == 2) {
        sum[kTerms - 1] = Isa::multiply_add(a[0], b[1], sum[kTerms - 1]);
      }
    }
  };

  static OCTET_LANES V finish(V c, const Chains& even, const Chains& odd) {
    for (int term = 0; term < kTerms; ++term) c = c + (even.sum[term] + odd.sum[term]);
    return c;
  }

  /// Elements of one block of `rows` rows: [rows][kPlanes][step][even or odd].
  static void arrange_rows(const Matmul16Args& args, int64_t first_row, int64_t rows, int64_t k,
                           Element* out) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int plane = 0; plane < kPlanes; ++plane, out += kPlaneElements) {
        Isa::arrange(args.a + (first_row + r) * args.a_stride + plane * args.k + k, out);
      }
    }
  }

  /// Steps of the block at k that have to be done: no more follow where the rows hold zeros.
  static OCTET_LANES int steps_from(const Matmul16Args& args, int64_t k) {
    const int64_t rest = args.k_used - k;
    if (args.k_used == 0 || rest >= kBlock) return kSteps;
    return rest <= 0 ? 0 : static_cast<int>((rest + Isa::kStepValues - 1) / Isa::kStepValues);
  }

  static OCTET_LANES void prefetch_step(const uint16_t* weights) {
    for (int i = 0; i < kStepWeights; i += kLineElements) {
      __builtin_prefetch(weights + kPrefetchElements + i);
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
    alignas(64) Element a[kRows * kRowElements];
    for (int64_t k = 0; k < args.k; k += kBlock, b += kBlock * kColumns) {
      arrange_rows(args, 0, kRows, k, a);
      const int steps = steps_from(args, k);
      Chains chains[kRows][kWide][2];
      for (auto& row : chains) {
        for (auto& cell : row) {
          for (Chains& parity : cell) parity.clear();
        }
      }
#pragma GCC unroll 1
      for (int step = 0; step < steps; ++step) {
        for (int w = 0; w < kWide; ++w) {
          const uint16_t* weights = b + w * kColumns * args.k + step * kStepWeights;
          prefetch_step(weights);
          const WeightStep planes = convert(weights);
          for (int r = 0; r < kRows; ++r) {
            for (int odd = 0; odd < 2; ++odd) {
              chains[r][w][odd].add(a + r * kRowElements + 2 * step + odd, planes.plane[odd]);
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

  /// One block of K for kRows rows and kWide panels, added to the panels' sums c, which start from
  /// 0 on request. With registers to spare even and odd chains go side by side, else one after the
  /// other.
  template <int kRows, int kWide>
  static void block(const Element* a, const WeightStep (*b)[kSteps], int steps, Sums* c,
                    int64_t row, bool from_zero) {
    constexpr int kParities = Isa::kParitiesTogether ? 2 : 1;
    a += row * kRowElements;
    Chains chains[2][kRows][kWide];
    for (int first = 0; first < 2; first += kParities) {
      Chains now[kParities][kRows][kWide];
      for (auto& parity : now) {
        for (auto& cells : parity) {
          for (Chains& cell : cells) cell.clear();
        }
      }
#pragma GCC unroll 1
      for (int step = 0; step < steps; ++step) {
        for (int r = 0; r < kRows; ++r) {
          for (int odd = 0; odd < kParities; ++odd) {
            for (int w = 0; w < kWide; ++w) {
              now[odd][r][w].add(a + r * kRowElements + 2 * step + first + odd,
                                 b[w][step].plane[first + odd]);
            }
          }
        }
      }
      for (int odd = 0; odd < kParities; ++odd) {
        for (int r = 0; r < kRows; ++r) {
          for (int w = 0; w < kWide; ++w) chains[first + odd][r][w] = now[odd][r][w];
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int w = 0; w < kWide; ++w) {
        float* sum = c[w][row + r];
        finish(from_zero ? V::zero() : V::load(sum), chains[0][r][w], chains[1][r][w]).store(sum);
      }
    }
  }

  /// Rows [row, rows), kRows at a time and the rest in halves of that.
  template <int kRows, int kWide>
  static void block_rows(const Element* a, const WeightStep (*b)[kSteps], int steps, Sums* c,
                         int64_t row, int64_t rows, bool from_zero) {
    for (; row + kRows <= rows; row += kRows) block<kRows, kWide>(a, b, steps, c, row, from_zero);
    if constexpr (kRows > 1) block_rows<kRows / 2, kWide>(a, b, steps, c, row, rows, from_zero);
  }

  /// One block of K for a chunk's rows and kWide panels, whose weights are converted on the way.
  template <int kWide>
  static void block_panels(const Matmul16Args& args, const Element* a, int64_t panel, int64_t k,
                           Sums* c, int64_t rows) {
    WeightStep b[kWide][kSteps];
    const int steps = steps_from(args, k);
    for (int w = 0; w < kWide; ++w) {
      const uint16_t* weights = args.b + ((panel + w) * args.k + k) * kColumns;
      for (int step = 0; step < steps; ++step, weights += kStepWeights) {
        prefetch_step(weights);
        b[w][step] = convert(weights);
      }
    }
    block_rows<Isa::rows_of_block(kTerms), kWide>(a, b, steps, c, 0, rows,
                                                  k == 0 && !args.accumulate);
  }

  /// Many rows: a block of weights is converted once for all rows of a chunk, whose sums stay in
  /// the L1 cache for all of K.
  static void chunk(const Matmul16Args& args, int64_t first_row, int64_t rows) {
    constexpr int kWide = Isa::panels_of_block(kTerms);
    alignas(64) Element a[kChunkRows * kRowElements];
    alignas(64) Sums c[kGroupPanels];
    for (int64_t first = 0; first < args.panels; first += kGroupPanels) {
      const int64_t rest = args.panels - first;
      const int64_t panels = rest < kGroupPanels ? rest : kGroupPanels;
      float* out = args.c + first_row * args.c_stride + first * kColumns;
      if (args.accumulate) copy_sums(out, args.c_stride, c, rows, panels, false);
      for (int64_t k = 0; k < args.k; k += kBlock) {
        arrange_rows(args, first_row, rows, k, a);
        int64_t panel = 0;
        for (; panel + kWide <= panels; panel += kWide) {
          block_panels<kWide>(args, a, first + panel, k, c + panel, rows);
        }
        for (; panel < panels; ++panel) {
          block_panels<1>(args, a, first + panel, k, c + panel, rows);
        }
      }
      copy_sums(out, args.c_stride, c, rows, panels, true);
    }
  }

  /// Between the caller's rows and a chunk's sums.
  static void copy_sums(float* out, int64_t stride, Sums* c, int64_t rows, int64_t panels,
                        bool to_caller) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t panel = 0; panel < panels; ++panel) {
        float* theirs = out + r * stride + panel * kColumns;
        float* ours = c[panel][r];
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

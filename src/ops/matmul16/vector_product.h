// The loops of the 16-bit product and of the plane split, written once for every vector
// instruction set: V says what a vector is (see avx2.cc, avx512.cc; V lives in an unnamed
// namespace, so nothing compiled here for one CPU can be linked into code for another).
#pragma once

#include "ops/matmul16/matmul16.h"

namespace octet::ops::matmul16_vector {

inline constexpr int kBlock = static_cast<int>(kMatmul16KStep);
inline constexpr int kColumns = static_cast<int>(kPanelColumns);
/// Rows whose activations of one block are widened together: 16 KB of floats.
inline constexpr int kChunkRows = 64;
/// Panels that share a chunk's widened activations.
inline constexpr int kGroupPanels = 8;
/// Few rows stream the weights: fetch this far ahead of each stream.
inline constexpr int kPrefetchBytes = 2048;

/// A pair's weights of V::kLanes columns as planes of float: [even or odd][plane].
template <class V>
struct WeightPair {
  typename V::Float w[2][2];
};

template <class V, int kPlanes, SixteenBit kType>
struct Product {
  using Float = typename V::Float;
  static constexpr int kLanes = V::kLanes;
  static constexpr int kVectors = kColumns / kLanes;  // per panel
  static constexpr int kWeightPlanes = kType == SixteenBit::f16 ? 2 : 1;
  static constexpr int kTerms = kPlanes + kWeightPlanes - 1;
  static constexpr int kRowFloats = kPlanes * kBlock;

  /// even and odd chains of each term of kRows rows × kWide vectors of columns.
  template <int kRows, int kWide>
  struct Sums {
    Float chain[kRows][kWide][kTerms][2];

    void clear() {
      for (auto& row : chain) {
        for (auto& vector : row) {
          for (auto& term : vector) term[0] = term[1] = V::zero();
        }
      }
    }

    /// Adds pair `pair` of a block; a: the rows' activations [kRows][kPlanes][32].
    void add(const float* a, int pair, int vector, const WeightPair<V>& b) {
      for (int r = 0; r < kRows; ++r) {
        for (int odd = 0; odd < 2; ++odd) {
          const float* element = a + r * kRowFloats + 2 * pair + odd;
          const Float high = V::broadcast(element);
          auto& sum = chain[r][vector];
          sum[0][odd] = V::fma(high, b.w[odd][0], sum[0][odd]);
          if constexpr (kPlanes == 2) {
            sum[1][odd] = V::fma(V::broadcast(element + kBlock), b.w[odd][0], sum[1][odd]);
          }
          if constexpr (kWeightPlanes == 2) {
            sum[kTerms - 1][odd] = V::fma(high, b.w[odd][1], sum[kTerms - 1][odd]);
          }
        }
      }
    }

    Float finish(Float c, int r, int vector) const {
      for (int term = 0; term < kTerms; ++term) {
        c = V::add(c, V::add(chain[r][vector][term][0], chain[r][vector][term][1]));
      }
      return c;
    }
  };

  /// Columns 2·pair.. of a packed block as float planes.
  static WeightPair<V> convert(const uint16_t* pair) {
    WeightPair<V> out;
    if constexpr (kType == SixteenBit::bf16) {
      V::widen_bf16_pair(pair, out.w[0][0], out.w[1][0]);
    } else {
      V::widen_f16_pair(pair, out.w[0][1], out.w[1][1]);
      for (auto& w : out.w) {
        w[0] = V::cut(w[1]);
        w[1] = V::subtract(w[1], w[0]);
      }
    }
    return out;
  }

  /// Activations of one block of `rows` rows to float: [rows][kPlanes][32].
  static void widen_rows(const Matmul16Args& args, int64_t first_row, int64_t rows, int64_t k,
                         float* out) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int plane = 0; plane < kPlanes; ++plane) {
        const uint16_t* in = args.a + (first_row + r) * args.a_stride + plane * args.k + k;
        for (int i = 0; i < kBlock; i += kLanes, out += kLanes) V::store(out, V::widen(in + i));
      }
    }
  }

  /// Few rows: weights go from memory through registers, kWide streams at a time, and the sums of
  /// all of K stay in registers. `vector` counts vectors of columns.
  template <int kRows, int kWide>
  static void stream(const Matmul16Args& args, int64_t vector) {
    const uint16_t* b[kWide];
    Float c[kRows][kWide];
    for (int w = 0; w < kWide; ++w) {
      const int64_t v = vector + w;
      b[w] = args.b + v / kVectors * kColumns * args.k + v % kVectors * 2 * kLanes;
      for (int r = 0; r < kRows; ++r) {
        c[r][w] = args.accumulate ? V::load(args.c + r * args.c_stride + v * kLanes) : V::zero();
      }
    }
    alignas(64) float a[kRows * kRowFloats];
    Sums<kRows, kWide> sums;
    for (int64_t k = 0; k < args.k; k += kBlock) {
      widen_rows(args, 0, kRows, k, a);
      sums.clear();
      for (int pair = 0; pair < kBlock / 2; ++pair) {
        for (int w = 0; w < kWide; ++w) {
          const uint16_t* weights = b[w] + k * kColumns + pair * 2 * kColumns;
          V::prefetch(weights + kPrefetchBytes / 2);
          sums.add(a, pair, w, convert(weights));
        }
      }
      for (int r = 0; r < kRows; ++r) {
        for (int w = 0; w < kWide; ++w) c[r][w] = sums.finish(c[r][w], r, w);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int w = 0; w < kWide; ++w) {
        V::store(args.c + r * args.c_stride + (vector + w) * kLanes, c[r][w]);
      }
    }
  }

  template <int kRows>
  static void stream_all(const Matmul16Args& args) {
    constexpr int kWide = V::kCells / kRows;
    const int64_t vectors = args.panels * kVectors;
    int64_t vector = 0;
    for (; vector + kWide <= vectors; vector += kWide) stream<kRows, kWide>(args, vector);
    for (; vector < vectors; ++vector) stream<kRows, 1>(args, vector);
  }

  /// One block of K for kRows rows and one vector of columns, added to c.
  template <int kRows>
  static void block(const float* a, const WeightPair<V>* b, float* c, int64_t c_stride,
                    bool from_zero) {
    Sums<kRows, 1> sums;
    sums.clear();
    for (int pair = 0; pair < kBlock / 2; ++pair) sums.add(a, pair, 0, b[pair]);
    for (int r = 0; r < kRows; ++r, c += c_stride) {
      V::store(c, sums.finish(from_zero ? V::zero() : V::load(c), r, 0));
    }
  }

  /// Many rows: a block of weights is converted once for all rows of a chunk.
  static void chunk(const Matmul16Args& args, int64_t first_row, int64_t rows) {
    alignas(64) float a[kChunkRows * kRowFloats];
    WeightPair<V> b[kBlock / 2];
    const int64_t vectors = args.panels * kVectors;
    for (int64_t group = 0; group < vectors; group += kGroupPanels * kVectors) {
      const int64_t end =
          group + kGroupPanels * kVectors < vectors ? group + kGroupPanels * kVectors : vectors;
      for (int64_t k = 0; k < args.k; k += kBlock) {
        widen_rows(args, first_row, rows, k, a);
        for (int64_t v = group; v < end; ++v) {
          const uint16_t* weights =
              args.b + (v / kVectors * args.k + k) * kColumns + v % kVectors * 2 * kLanes;
          for (int pair = 0; pair < kBlock / 2; ++pair) {
            b[pair] = convert(weights + pair * 2 * kColumns);
          }
          float* c = args.c + first_row * args.c_stride + v * kLanes;
          rows_of_block(a, b, c, args.c_stride, rows, k == 0 && !args.accumulate);
        }
      }
    }
  }

  static void rows_of_block(const float* a, const WeightPair<V>* b, float* c, int64_t c_stride,
                            int64_t rows, bool from_zero) {
    int64_t r = 0;
    for (; r + V::kCells <= rows; r += V::kCells) {
      block<V::kCells>(a + r * kRowFloats, b, c + r * c_stride, c_stride, from_zero);
    }
    for (; r < rows; ++r) block<1>(a + r * kRowFloats, b, c + r * c_stride, c_stride, from_zero);
  }

  static void run(const Matmul16Args& args) {
    if (args.k == 0 && !args.accumulate) {
      for (int64_t r = 0; r < args.rows; ++r) {
        for (int64_t n = 0; n < args.panels * kColumns; ++n) args.c[r * args.c_stride + n] = 0;
      }
    }
    if (args.rows == 1) return stream_all<1>(args);
    if (args.rows == 2) return stream_all<2>(args);
    if constexpr (V::kCells >= 4) {
      if (args.rows == 3) return stream_all<3>(args);
      if (args.rows == 4) return stream_all<4>(args);
    }
    for (int64_t r = 0; r < args.rows; r += kChunkRows) {
      chunk(args, r, args.rows - r < kChunkRows ? args.rows - r : kChunkRows);
    }
  }
};

template <class V>
void matmul(const Matmul16Args& args) {
  if (args.b_type == SixteenBit::bf16) {
    if (args.planes == 2) return Product<V, 2, SixteenBit::bf16>::run(args);
    return Product<V, 1, SixteenBit::bf16>::run(args);
  }
  if (args.planes == 2) return Product<V, 2, SixteenBit::f16>::run(args);
  Product<V, 1, SixteenBit::f16>::run(args);
}

template <class V>
void split_planes(const SplitPlanesArgs& args) {
  constexpr int kLanes = V::kLanes;
  const int64_t k = (args.columns + kBlock - 1) / kBlock * kBlock;
  for (int64_t i = 0; i < k; i += kLanes) {
    typename V::Float x = V::zero();
    if (i + kLanes <= args.columns) {
      x = V::load(args.x + i);
    } else if (i < args.columns) {
      alignas(64) float rest[kLanes] = {};
      for (int64_t j = i; j < args.columns; ++j) rest[j - i] = args.x[j];
      x = V::load(rest);
    }
    const typename V::Float high = V::round_to_bf16(x);
    V::store_bf16(args.out + i, high);
    if (args.planes == 2) {
      V::store_bf16(args.out + k + i, V::round_to_bf16(V::subtract(x, high)));
    }
  }
}

}  // namespace octet::ops::matmul16_vector

// Product with 16-bit weights in the rounding order of AMX's TDPBF16PS, on every CPU.
#pragma once

#include <cstdint>
#include <span>

#include "ops/int8_matmul/int8_matmul.h"
#include "ops/registry.h"

namespace octet::ops {

enum class SixteenBit : uint8_t { f16, bf16 };

/// K of a 16-bit product is padded with zeros to a multiple of this.
inline constexpr int64_t kMatmul16KStep = 32;

/// c[r][n] = Σ_k a[r][k] · b[k][n], in this order of roundings (float32, fused multiply-add,
/// denormals flushed on input and output: callers run under device::FlushDenormals, as every
/// member of a thread team does):
///   c = 0, or what c holds when `accumulate`
///   for each block of 32 values of k, rising:
///     for each term (activation plane × weight plane) of
///         (a_hi, b_hi), (a_lo, b_hi) if planes = 2, (a_hi, b_lo) if the weights are f16:
///       even = odd = 0; for each pair of k in the block, rising:
///         even = fma(a[k], b[k], even); odd = fma(a[k+1], b[k+1], odd)
///       c = c + (even + odd)
/// A row's result does not depend on the other rows, nor a column's on the other columns.
/// bf16 weights have one plane. A finite f16 weight w is two bf16 planes exactly: b_hi = w with its
/// low 16 float32 mantissa bits cut (truncation), b_lo = w − b_hi.
/// The activation planes: a_hi = bf16(x) to nearest even, a_lo = bf16(x − a_hi) to nearest even.
///
/// a: bf16 bits; row r's plane p at a + r·a_stride + p·k. b: `panels` panels of [k/2][16][2] 16-bit
/// elements: column n's element k at b[panel*16*k + (k/2)*32 + n*2 + k%2]. k a multiple of 32.
/// c: float rows, c_stride elements apart, 16·panels columns written. Any rows, k and panels ≥ 0.
/// Runs on the calling thread; c overlaps neither a nor b.
struct Matmul16Args {
  const uint16_t* a = nullptr;
  int64_t a_stride = 0;
  int planes = 1;
  int64_t rows = 0;
  int64_t k = 0;
  const uint16_t* b = nullptr;
  SixteenBit b_type = SixteenBit::f16;
  int64_t panels = 0;
  float* c = nullptr;
  int64_t c_stride = 0;
  bool accumulate = false;  ///< go on from c's values instead of from 0
  /// Promises that every row's planes hold +0 from this k on, where b is finite: kernels may leave
  /// those products out, which changes no bit. 0 promises nothing.
  int64_t k_used = 0;
};

using Matmul16Function = void(const Matmul16Args&);

std::span<const Kernel<Matmul16Function>> matmul16_kernels();

/// Splits `columns` floats into `planes` (1 or 2) rows of bf16 bits of padded(columns, 32) elements
/// each, hi first, zero padded (the layout Matmul16Args.a wants).
struct SplitPlanesArgs {
  const float* x = nullptr;
  int64_t columns = 0;
  int planes = 1;
  uint16_t* out = nullptr;
};
using SplitPlanesFunction = void(const SplitPlanesArgs&);
std::span<const Kernel<SplitPlanesFunction>> split_planes_kernels();

/// Packs `rows` × `k` row-major 16-bit weights (row n = output column n, weights[n*stride + k])
/// into panels: padded(rows,16)/16 panels of padded(k,32)·16 elements, padding 0.
void pack_panels16(const uint16_t* weights, int64_t stride, int64_t rows, int64_t k, uint16_t* out);

}  // namespace octet::ops

// int8 × int8 → int32 product of activation rows and packed weight panels.
#pragma once

#include <cstdint>
#include <span>

#include "ops/registry.h"

namespace octet::ops {

/// Columns of the weight matrix per packed panel, on every CPU.
inline constexpr int64_t kPanelColumns = 16;
/// K is padded with zeros to a multiple of this (one AMX tile row).
inline constexpr int64_t kInt8KStep = 64;
/// Largest K whose sum of products of codes in [-127, 127] fits int32.
inline constexpr int64_t kInt8MaxK = 133120;

inline constexpr int64_t padded(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

/// c[r][n] = Σ_k a[r][k] · b[k][n], exactly.
///
/// a: codes in [-127, 127], `rows` rows of `k` bytes, `a_stride` bytes apart; k a multiple of
/// kInt8KStep (padding codes are 0), at most kInt8MaxK. b: `panels` panels of 16 columns, each
/// [k/4][16][4] bytes, one after the other: column n of panel p holds its element k at
/// b[p*16*k_total + (k/4)*64 + n*4 + k%4]; codes in [-127, 127]. column_sums[n] = Σ_k b[k][n]
/// (unsigned × signed instructions need it). c: int32 rows, `c_stride` elements apart, 16·panels
/// columns written. Any rows ≥ 0 and panels ≥ 0. Runs on the calling thread.
struct Int8MatmulArgs {
  const int8_t* a = nullptr;
  int64_t a_stride = 0;
  int64_t rows = 0;
  int64_t k = 0;
  const int8_t* b = nullptr;
  const int32_t* column_sums = nullptr;
  int64_t panels = 0;
  int32_t* c = nullptr;
  int64_t c_stride = 0;
};

using Int8MatmulFunction = void(const Int8MatmulArgs&);

std::span<const Kernel<Int8MatmulFunction>> int8_matmul_kernels();

/// Packs `rows` × `k` row-major codes (row n = output column n of the layer, codes[n*stride + k])
/// into panels: out holds padded(rows,16)/16 panels of padded(k, kInt8KStep)*16 bytes, padding 0;
/// column_sums gets padded(rows,16) sums.
void pack_int8_panels(const int8_t* codes, int64_t stride, int64_t rows, int64_t k, int8_t* out,
                      int32_t* column_sums);

}  // namespace octet::ops

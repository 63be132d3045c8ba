// Products of coded activation rows with packed weights on a GPU, with their epilogue.
#pragma once

#include <cstdint>

#include "device/gpu_memory.h"
#include "ops/cuda/layout.h"
#include "ops/matmul16/matmul16.h"

namespace octet::ops::cuda {

/// What turns sums into a layer's output, per row r and output n, each operation rounded to
/// float32 in this order (ops/epilogue; a null pointer leaves its operation out):
///   v = sum · row_factors[r]                    sum = 128 · first + second plane with two of int8
///   v = v + extra sum · extra_factors[r]        where extra_slots[r] ≥ 0
///   v = v · column_factors[n]
///   v = v + kept product · kept_scales[r]
///   v = v + bias[n];  v = v + residual[r][n]
struct ProductEpilogue {
  const float* row_factors = nullptr;
  const float* column_factors = nullptr;
  const int32_t* extra_slots = nullptr;  ///< [rows] row of extra_sums, or −1
  const int32_t* extra_sums = nullptr;   ///< [.., extra_stride]
  int64_t extra_stride = 0;
  const float* extra_factors = nullptr;
  const uint16_t* kept_a = nullptr;  ///< two planes, [code_rows(rows, 2)][kept_k]
  const uint16_t* kept_b = nullptr;  ///< [columns to 16][kept_k]
  int64_t kept_k = 0;                ///< kept columns to a multiple of 32
  SixteenBit kept_type = SixteenBit::f16;
  const float* kept_scales = nullptr;
  const float* bias = nullptr;
  const float* residual = nullptr;  ///< may be out
  int64_t residual_stride = 0;
  float* out = nullptr;  ///< [rows, out_stride], or
  int64_t out_stride = 0;
  int32_t* sums = nullptr;  ///< the sums alone, [rows, out_stride]; one plane of int8 only
};

/// Memory that products share; the launches of one stream may use the same.
struct ProductWorkspace {
  std::byte* partial = nullptr;
  int64_t partial_bytes = 0;
  uint32_t* counters = nullptr;  ///< zeros, and left as zeros
  int64_t counter_count = 0;
  int multiprocessors = 1;
  bool warpgroups = false;  ///< int8 products of many rows are warpgroup_product
};

/// a: code rows of `planes` planes (layout.h), k_bytes a multiple of 64, padding zero. b: outputs
/// padded to 16 rows of k_bytes. Sums of int8 are exact. Sums of 16-bit elements are float32 in
/// tensor cores, by kSegments segments of K: a row's bits do not depend on the other rows.
struct Product {
  const void* a = nullptr;
  int64_t rows = 0;
  int planes = 1;
  const void* b = nullptr;
  int64_t k_bytes = 0;
  int64_t columns = 0;
  /// When not null, only so many rows are there (at most `rows`): the others cost next to nothing.
  const int32_t* active_rows = nullptr;
  ProductEpilogue epilogue;
  ProductWorkspace workspace;
};

void int8_product(const Product& product, device::Stream stream);
/// int8_product by the instructions of compute capability 9.0, and there only: the same sums.
void warpgroup_product(const Product& product, device::Stream stream);
/// True when int8_product takes it: the workspace says so and it fills half of the GPU.
bool suits_warpgroups(const Product& product);
void sixteen_bit_product(const Product& product, SixteenBit type, device::Stream stream);

/// Bytes of partial sums that a product of so many rows and columns wants.
inline constexpr int64_t kPartialBytes = int64_t{64} << 20;
inline constexpr int64_t kCounters = 1 << 16;

/// A CPU's panels [columns/16][units][16] of 4-byte words → rows [columns][units].
void unpack_panels(const uint32_t* panels, int64_t columns, int64_t units, uint32_t* rows,
                   device::Stream stream);

}  // namespace octet::ops::cuda

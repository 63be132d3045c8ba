// A matrix of bytes as a GPU's copy engine knows it, on compute capability 9.0 and newer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octet::ops::cuda {

/// Bytes of a row in a box, which is what swizzling shuffles.
inline constexpr int kBoxBytes = 128;

/// Rows of which boxes of kBoxBytes × box_rows are copied into shared memory, swizzled: chunk c of
/// 16 bytes of row r lies at chunk c ^ (r % 8). What is outside of the matrix becomes zeros.
struct alignas(64) TensorMap {
  std::byte bits[128];
};

/// base and row_bytes are multiples of 16; box_rows at most 256. Throws Error when the driver does
/// not know how.
TensorMap byte_matrix(const void* base, int64_t rows, int64_t row_bytes, int box_rows);

}  // namespace octet::ops::cuda

// Where things lie in a GPU's memory: index arithmetic that kernels and the host share.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define OCTET_HOST_DEVICE __host__ __device__
#else
#define OCTET_HOST_DEVICE
#endif

namespace octet::ops::cuda {

/// Rows of a product come in groups of this many, what one tensor-core instruction takes.
inline constexpr int64_t kRowGroup = 16;
/// Bytes of K that one step of a product takes; K is padded to a multiple with zeros.
inline constexpr int64_t kKStepBytes = 64;
/// A product of floating-point values is summed in so many parts of K, added up in their order.
inline constexpr int64_t kSegments = 8;
/// Positions whose attention is worked out by itself before it is merged with those before it.
inline constexpr int64_t kSplitPositions = 256;

OCTET_HOST_DEVICE constexpr int64_t rounded_up(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

/// Where plane `plane` of activation row `row` lies among the code rows. With two planes, 8 rows'
/// first planes are followed by their second ones: one thread of a tensor-core instruction holds
/// the results of both.
OCTET_HOST_DEVICE constexpr int64_t code_row(int64_t row, int plane, int planes) {
  return planes == 1 ? row : row / 8 * 16 + plane * 8 + row % 8;
}

/// Code rows of `rows` activation rows, the last group filled up.
OCTET_HOST_DEVICE constexpr int64_t code_rows(int64_t rows, int planes) {
  return rounded_up(rows, kRowGroup / planes) * planes;
}

/// Steps of K in each of kSegments segments but the last ones, which may have fewer or none.
OCTET_HOST_DEVICE constexpr int64_t segment_steps(int64_t k_bytes) {
  return (k_bytes / kKStepBytes + kSegments - 1) / kSegments;
}

/// A CPU's panels are [columns/16][units of K][16] words of 4 bytes; a GPU has each output's words
/// one after the other. The word of `unit` of output `n`, in panels of `units` units.
OCTET_HOST_DEVICE constexpr int64_t panel_word(int64_t n, int64_t unit, int64_t units) {
  return (n / 16 * units + unit) * 16 + n % 16;
}

}  // namespace octet::ops::cuda

// What a linear layer and its calls take on a GPU, told from its shape: the one place that knows,
// for those who allocate and those who plan.
#pragma once

#include <cstdint>

#include "linear/size.h"

namespace octet::linear {

enum class GpuKind : uint8_t { int8, sixteen_bit, thirty_two_bit };

/// How a layer's weights lie on a GPU: a row of K for each output.
struct GpuLayout {
  GpuKind kind = GpuKind::int8;
  int64_t inputs = 0;
  int64_t outputs = 0;
  int64_t columns = 0;      ///< outputs padded to 16: rows of weights
  int64_t k = 0;            ///< elements of a row: inputs padded to 64 (int8) or 32 (16 bits)
  int64_t row_bytes = 0;    ///< of k elements
  int64_t kept = 0;         ///< input columns in 16 bits beside the int8 product
  int64_t kept_padded = 0;  ///< to a multiple of 32
  bool bias = false;

  /// total() is what GpuLinear::bytes() will be.
  LayerBytes bytes() const;
};
GpuLayout gpu_layout(const LayerShape& shape, const Precision& precision);

/// Elements of the arrays of a GpuWorkspace that a call uses.
struct GpuCallSizes {
  int64_t codes = 0;
  int64_t extra_codes = 0;
  int64_t extra_sums = 0;
  int64_t extra_slots = 0;
  int64_t factors = 0;
  int64_t planes = 0;
  int64_t made = 0;

  int64_t bytes() const;
  /// One workspace serves all layers: each array grows to the largest.
  void include(const GpuCallSizes& other);
};
GpuCallSizes gpu_call_sizes(const GpuLayout& layout, const Precision& precision, int64_t rows,
                            int activation_bits);

/// Planes of int8 codes, or of 16-bit activations, that a call splits its rows into.
int gpu_planes(const GpuLayout& layout, const Precision& precision, int activation_bits);
/// True when what reaches the threshold beside the kept columns goes into extra int8 rows.
bool gpu_has_extra_rows(const GpuLayout& layout, const Precision& precision, int activation_bits);

/// Bytes of a GpuWorkspace that are there before any call.
int64_t gpu_workspace_bytes();

}  // namespace octet::linear

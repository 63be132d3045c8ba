// Zeropoint layers (the research rows of Table 1): whole rows of codes, and a call's forward pass.
#pragma once

#include <cstdint>

#include "linear/linear.h"
#include "quant/zeropoint.h"

namespace octet::linear {

struct ValueRange {
  float min = 0;
  float max = 0;

  void include(const ValueRange& other);
  quant::ZeropointParams params() const { return quant::zeropoint_params(min, max); }
};

/// The range of `count` finite values and 0.
ValueRange range_of(const float* x, int64_t count);

/// quant::quantize_zeropoint for a whole row whose values lie in the range of `params`.
void quantize_zeropoint_row(const float* x, int64_t count, const quant::ZeropointParams& params,
                            int8_t* codes);

/// Linear::forward of a zeropoint method, all rows being one call. The product of codes is the int8
/// kernels'; the other three terms of Eq. 5 join it in int64.
int64_t zeropoint_forward(device::Cpu& cpu, const Linear& linear, tensor::MatrixView<const float> x,
                          tensor::MatrixView<float> out, const LinearCall& call,
                          Workspace& workspace);

}  // namespace octet::linear

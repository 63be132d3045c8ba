// A call of a 32-bit or 16-bit layer.
#pragma once

#include "linear/linear.h"

namespace octet::linear {

/// Linear::forward of the methods fp32, fp16 and bf16.
int64_t float_forward(device::Cpu& cpu, const Linear& linear, tensor::MatrixView<const float> x,
                      tensor::MatrixView<float> out, const LinearCall& call, Workspace& workspace);

}  // namespace octet::linear

// The layers that Table 5 times, and the figures of their times: the same on CPUs and GPUs.
#pragma once

#include <cstdint>
#include <span>

#include "evaluate/matmul_speed.h"
#include "evaluate/speed.h"
#include "linear/linear.h"

namespace octet::evaluate {

/// Nearly normal weights, packed; the planted columns are kept where the precision keeps any.
linear::Linear matmul_layer(device::Cpu& cpu, const MatmulSpeedOptions& options,
                            const MatmulVariant& variant);

/// Nearly normal activations [rows, inputs]; the planted columns hold outliers.
tensor::Array<float> matmul_activations(int64_t rows, int64_t inputs);

/// From the seconds of a call in each round, and the baseline's in the same rounds. Peaks of the
/// roofline that are 0 (unknown) give a share of 0.
MatmulSpeed matmul_figures(std::span<const double> seconds, std::span<const double> baseline,
                           const Operations& operations, double weight_bytes,
                           const Roofline& roofline);

}  // namespace octet::evaluate

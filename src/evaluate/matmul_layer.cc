// The layers that Table 5 times, and the figures of their times.
#include "evaluate/matmul_layer.h"

#include <cmath>

#include "evaluate/timing.h"
#include "model/load/random_weights.h"

namespace octet::evaluate {

using linear::Linear;

namespace {

constexpr float kOutlierSize = 30;  // standard deviations

linear::WeightSource weights(const MatmulSpeedOptions& options) {
  const float deviation = 1.0f / std::sqrt(static_cast<float>(options.inputs));
  return {
      .outputs = options.outputs,
      .inputs = options.inputs,
      .sixteen_bit = ops::SixteenBit::bf16,
      .read_rows = [inputs = options.inputs, deviation](int64_t first, int64_t rows, float* out) {
        model::random_normal(1, first * inputs, rows * inputs, deviation, out);
      }};
}

}  // namespace

std::vector<int32_t> planted_columns(int64_t inputs) {
  std::vector<int32_t> columns;
  for (int64_t column : {inputs / 7, inputs / 3, inputs - 1}) {
    if (columns.empty() || columns.back() < column) columns.push_back(static_cast<int32_t>(column));
  }
  return columns;
}

Linear matmul_layer(device::Cpu& cpu, const MatmulSpeedOptions& options,
                    const MatmulVariant& variant) {
  const linear::WeightSource source = weights(options);
  Linear layer = Linear::pack(cpu, source, {}, variant.precision, variant.name);
  if (linear::keeps_columns(variant.precision)) {
    layer.keep_columns(cpu, source, planted_columns(options.inputs));
  }
  return layer;
}

tensor::Array<float> matmul_activations(int64_t rows, int64_t inputs) {
  tensor::Array<float> x(rows * inputs);
  model::random_normal(2, 0, x.size(), 1, x.data());
  for (int64_t r = 0; r < rows; ++r) {
    for (int32_t column : planted_columns(inputs)) x[r * inputs + column] *= kOutlierSize;
  }
  return x;
}

MatmulSpeed matmul_figures(std::span<const double> seconds, std::span<const double> baseline,
                           const Operations& operations, double weight_bytes,
                           const Roofline& roofline) {
  std::vector<double> ratios;
  for (size_t i = 0; i < seconds.size(); ++i) ratios.push_back(baseline[i] / seconds[i]);
  MatmulSpeed speed;
  speed.seconds = median(seconds);
  speed.speedup = median(ratios);
  speed.operations = operations.total();
  speed.weight_bytes = weight_bytes;
  const double at_peak = operations.seconds_at(roofline);
  speed.share_of_peak = std::isfinite(at_peak) ? at_peak / speed.seconds : 0;
  speed.share_of_dram = weight_bytes / speed.seconds / roofline.dram_bytes_per_s;
  return speed;
}

}  // namespace octet::evaluate

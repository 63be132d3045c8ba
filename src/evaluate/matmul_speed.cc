// Timing linear layers side by side, on weights that no cache holds.
#include "evaluate/matmul_speed.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "evaluate/speed.h"
#include "evaluate/timing.h"
#include "linear/int8_forward.h"
#include "linear/linear.h"
#include "model/load/random_weights.h"

namespace octet::evaluate {

namespace {

using linear::Linear;
using linear::Method;
using linear::OutlierMode;

constexpr float kOutlierSize = 30;     // standard deviations
constexpr double kTurnSeconds = 0.01;  // a turn is as many calls as take about so long
constexpr int kFewestRounds = 3;
constexpr int kMostRounds = 25;

template <typename T>
tensor::Shared<T> copy(const tensor::Shared<T>& from) {
  tensor::Array<T> to(from.size());
  std::copy(from.begin(), from.end(), to.begin());
  return tensor::Shared<T>(std::move(to));
}

/// The same layer several times, each with weights in memory of its own.
std::vector<Linear> copies(device::Cpu& cpu, Linear first, int64_t rotate_bytes) {
  const int64_t bytes = std::max<int64_t>(1, step_weight_bytes(first));
  const int64_t count = std::max<int64_t>(1, (rotate_bytes + bytes - 1) / bytes);
  std::vector<Linear> layers;
  for (int64_t i = 1; i < count; ++i) {
    linear::LinearParts parts = first.parts();
    parts.codes = copy(parts.codes);
    parts.kept_panels = copy(parts.kept_panels);
    if (!linear::is_int8(parts.method)) parts.panels16 = copy(parts.panels16);
    parts.panels32 = copy(parts.panels32);
    layers.push_back(Linear::from_parts(cpu, std::move(parts), first.precision()));
  }
  layers.push_back(std::move(first));
  return layers;
}

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

tensor::Array<float> activations(int64_t rows, int64_t inputs) {
  tensor::Array<float> x(rows * inputs);
  model::random_normal(2, 0, x.size(), 1, x.data());
  for (int64_t r = 0; r < rows; ++r) {
    for (int32_t column : planted_columns(inputs)) x[r * inputs + column] *= kOutlierSize;
  }
  return x;
}

/// A variant, ready to run.
struct Contender {
  const MatmulVariant* variant = nullptr;
  std::vector<Linear> layers = {};
  size_t next = 0;
  linear::Workspace workspace = {};
  int64_t calls = 1;                 ///< per turn
  std::vector<double> seconds = {};  ///< of a call, one for each turn
};

class Contest {
 public:
  Contest(device::Cpu& cpu, const MatmulSpeedOptions& options) : cpu_(cpu), options_(options) {
    for (const MatmulVariant& variant : options.variants) {
      between();
      const linear::WeightSource source = weights(options);
      Linear first = Linear::pack(cpu, source, {}, variant.precision, variant.name);
      if (linear::keeps_columns(variant.precision)) {
        first.keep_columns(cpu, source, planted_columns(options.inputs));
      }
      Contender contender{.variant = &variant};
      contender.layers = copies(cpu, std::move(first), options.rotate_bytes);
      contenders_.push_back(std::move(contender));
    }
  }

  void run(int64_t rows) {
    x_ = activations(rows, options_.inputs);
    out_ = tensor::Array<float>(rows * options_.outputs);
    rows_ = rows;
    double elapsed = 0;
    for (Contender& contender : contenders_) {
      contender.seconds.clear();
      prepare(contender);
      contender.calls = 1;
      turn(contender);  // warms buffers
      const double once = turn(contender);
      contender.calls = std::max<int64_t>(1, std::llround(kTurnSeconds / once));
    }
    for (int round = 0; round < kMostRounds; ++round) {
      if (round >= kFewestRounds && elapsed >= options_.seconds) break;
      between();
      for (Contender& contender : contenders_) {
        contender.seconds.push_back(turn(contender));
        elapsed += contender.seconds.back() * static_cast<double>(contender.calls);
      }
    }
  }

  const std::vector<Contender>& contenders() const { return contenders_; }

 private:
  void between() const {
    if (options_.between) options_.between();
  }
  tensor::MatrixView<const float> x() const { return {x_.data(), rows_, options_.inputs}; }
  linear::LinearCall call(const Contender& contender) const {
    return {.activation_bits = contender.variant->precision.activation_bits};
  }

  /// Rows of codes for the product alone; every copy of the weights has the same scales.
  void prepare(Contender& contender) {
    if (!contender.variant->product_alone) return;
    const linear::LinearCall one = call(contender);
    linear::Int8Forward forward(cpu_, contender.layers.front(), one, contender.workspace);
    OCTET_CHECK(forward.row_maxima(x()) == -1);
    forward.quantize(x());
  }

  void compute(Contender& contender) {
    const Linear& layer = contender.layers[contender.next++ % contender.layers.size()];
    const linear::LinearCall one = call(contender);
    if (contender.variant->product_alone) {
      linear::Int8Forward(cpu_, layer, one, contender.workspace).multiply(rows_);
    } else {
      OCTET_CHECK(layer.forward(cpu_, x(), {out_.data(), rows_, options_.outputs}, one,
                                contender.workspace) == -1);
    }
  }

  double turn(Contender& contender) {
    const double seconds = seconds_of([&] {
      for (int64_t i = 0; i < contender.calls; ++i) compute(contender);
    });
    return seconds / static_cast<double>(contender.calls);
  }

  device::Cpu& cpu_;
  const MatmulSpeedOptions& options_;
  std::vector<Contender> contenders_;
  tensor::Array<float> x_;
  tensor::Array<float> out_;
  int64_t rows_ = 0;
};

MatmulSpeed figures(const Contender& contender, const Contender& baseline, int64_t rows,
                    const Roofline& roofline) {
  const Linear& layer = contender.layers.front();
  const Operations operations =
      operations_of(layer, rows, contender.variant->precision.activation_bits);
  std::vector<double> ratios;
  for (size_t i = 0; i < contender.seconds.size(); ++i) {
    ratios.push_back(baseline.seconds[i] / contender.seconds[i]);
  }
  MatmulSpeed speed;
  speed.rows = rows;
  speed.seconds = median(contender.seconds);
  speed.speedup = median(ratios);
  speed.operations = operations.total();
  speed.weight_bytes = static_cast<double>(step_weight_bytes(layer));
  speed.share_of_peak = operations.seconds_at(roofline) / speed.seconds;
  speed.share_of_dram = speed.weight_bytes / speed.seconds / roofline.dram_bytes_per_s;
  return speed;
}

}  // namespace

std::vector<int32_t> planted_columns(int64_t inputs) {
  std::vector<int32_t> columns;
  for (int64_t column : {inputs / 7, inputs / 3, inputs - 1}) {
    if (columns.empty() || columns.back() < column) columns.push_back(static_cast<int32_t>(column));
  }
  return columns;
}

std::vector<MatmulVariant> table5_variants(const std::vector<int>& activation_bits) {
  OCTET_CHECK(!activation_bits.empty());
  const linear::Precision vector_wise{.method = Method::absmax_vectorwise, .activation_bits = 8};
  std::vector<MatmulVariant> variants = {
      {"bf16", {.method = Method::bf16, .activation_bits = 16, .sixteen_bit_planes = 1}},
      {"int8 product alone", vector_wise, /*product_alone=*/true},
      {"vector-wise", vector_wise}};
  const auto llm_int8 = [&](OutlierMode outliers, int bits) {
    variants.push_back({"LLM.int8() " + std::string(linear::name(outliers)) + ", " +
                            std::to_string(bits) + " bits",
                        {.outliers = outliers, .activation_bits = bits}});
  };
  for (int bits : activation_bits) llm_int8(OutlierMode::kept, bits);
  llm_int8(OutlierMode::batch, activation_bits.front());
  return variants;
}

std::vector<MatmulSpeed> matmul_speed(device::Cpu& cpu, const MatmulSpeedOptions& options,
                                      const Roofline& roofline) {
  Contest contest(cpu, options);
  std::vector<MatmulSpeed> speeds;
  for (int64_t rows : options.rows) {
    contest.run(rows);
    for (size_t i = 0; i < options.variants.size(); ++i) {
      speeds.push_back(
          figures(contest.contenders()[i], contest.contenders().front(), rows, roofline));
      speeds.back().variant = i;
    }
  }
  return speeds;
}

}  // namespace octet::evaluate

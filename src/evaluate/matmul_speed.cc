// Timing linear layers side by side, on weights that no cache holds.
#include "evaluate/matmul_speed.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evaluate/matmul_layer.h"
#include "evaluate/timing.h"
#include "linear/int8_forward.h"
#include "linear/linear.h"

namespace octet::evaluate {

namespace {

using linear::Linear;
using linear::Method;
using linear::OutlierMode;

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
      Linear first = matmul_layer(cpu, options, variant);
      Contender contender{.variant = &variant};
      contender.layers = copies(cpu, std::move(first), options.rotate_bytes);
      contenders_.push_back(std::move(contender));
    }
  }

  void run(int64_t rows) {
    x_ = matmul_activations(rows, options_.inputs);
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

}  // namespace

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
      const Contender& contender = contest.contenders()[i];
      const Linear& layer = contender.layers.front();
      MatmulSpeed speed =
          matmul_figures(contender.seconds, contest.contenders().front().seconds,
                         operations_of(layer, rows, contender.variant->precision.activation_bits),
                         static_cast<double>(step_weight_bytes(layer)), roofline);
      speed.rows = rows;
      speed.variant = i;
      speeds.push_back(speed);
    }
  }
  return speeds;
}

}  // namespace octet::evaluate

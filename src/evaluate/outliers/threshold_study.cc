// Loading a model at one threshold after the other and measuring it.
#include "evaluate/outliers/threshold_study.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "evaluate/speed.h"
#include "runtime/session.h"

namespace octet::evaluate {
namespace {

using linear::kLayerKinds;
using linear::LayerKind;
using linear::Precision;

std::vector<ColumnShare> count_columns(device::Cpu& cpu, model::Model& model,
                                       std::span<const Window> windows,
                                       const std::vector<float>& thresholds) {
  const int64_t layers = model.architecture().layers;
  ColumnShareTracker tracker(layers, thresholds);
  model::PassObserver observer;
  observer.input = [&](int64_t layer, model::LinearId id, tensor::MatrixView<const float> input) {
    tracker.see(layer, id, input);
  };
  runtime::Session session(model, cpu, longest_window(windows));
  const runtime::SequenceId sequence = session.open();
  for (const Window& window : windows) {
    session.truncate(sequence, 0);
    const runtime::Feed feed = {
        .sequence = sequence, .tokens = window, .all_logits = false, .no_logits = true};
    session.run({&feed, 1}, 16, observer);
    tracker.end_window();
  }
  std::vector<ColumnShare> shares;
  shares.reserve(thresholds.size());
  for (size_t i = 0; i < thresholds.size(); ++i) {
    shares.push_back(thresholds[i] > 0 ? tracker.share(i)
                                       : ColumnShare(static_cast<size_t>(layers)));
  }
  return shares;
}

double mean_over_kinds(const ColumnShare& share) {
  double sum = 0;
  for (const LayerKind kind : kLayerKinds) sum += mean_over_layers(share, kind);
  return sum / static_cast<double>(kLayerKinds.size());
}

class Study {
 public:
  Study(device::Cpu& cpu, model::Model& reference, std::span<const Window> windows,
        const ThresholdStudyOptions& options)
      : cpu_(cpu),
        options_(options),
        windows_(windows),
        reference_(reference, cpu, longest_window(windows), 16) {
    study_.base = options.base;
    study_.base.kind_thresholds = {};
    study_.thresholds = options.thresholds;
    study_.thresholds.push_back(options.base.threshold);
    std::ranges::sort(study_.thresholds);
    study_.thresholds.erase(std::unique(study_.thresholds.begin(), study_.thresholds.end()),
                            study_.thresholds.end());
    study_.shares = count_columns(cpu, reference, windows, study_.thresholds);
    const size_t count = study_.thresholds.size();
    runs_ = static_cast<double>(count + kLayerKinds.size() * (count - 1) + 1);
  }

  ThresholdStudy run() {
    for (size_t i = 0; i < study_.thresholds.size(); ++i) {
      Precision precision = study_.base;
      precision.threshold = study_.thresholds[i];
      ThresholdPoint point = measure(precision, /*speed=*/true);
      point.threshold = study_.thresholds[i];
      point.outlier_columns = mean_over_kinds(study_.shares[i]);
      study_.together.push_back(std::move(point));
    }
    for (const LayerKind kind : kLayerKinds) {
      const auto index = static_cast<size_t>(kind);
      for (size_t i = 0; i < study_.thresholds.size(); ++i) {
        study_.by_kind[index].push_back(measure_kind(kind, i));
      }
      study_.recommended[index] = recommended_point(study_.by_kind[index]);
    }
    study_.chosen = measure(study_.recommendation(), /*speed=*/true);
    study_.chosen.threshold = study_.base.threshold;
    for (const LayerKind kind : kLayerKinds) {
      const auto index = static_cast<size_t>(kind);
      study_.chosen.outlier_columns +=
          study_.by_kind[index][study_.recommended[index]].outlier_columns /
          static_cast<double>(kLayerKinds.size());
    }
    return std::move(study_);
  }

 private:
  ThresholdPoint measure_kind(LayerKind kind, size_t i) {
    const float threshold = study_.thresholds[i];
    Precision precision = study_.base;
    precision.kind_thresholds[static_cast<size_t>(kind)] = threshold;
    ThresholdPoint point =
        threshold == study_.base.threshold ? study_.at_base() : measure(precision, /*speed=*/false);
    point.threshold = threshold;
    point.outlier_columns = mean_over_layers(study_.shares[i], kind);
    return point;
  }

  ThresholdPoint measure(const Precision& precision, bool speed) {
    const auto at = [this](double share) {
      if (options_.progress) options_.progress((done_ + share) / runs_);
    };
    at(0);
    model::Loaded loaded = options_.load(precision);
    ModelSource source(loaded.model, cpu_, longest_window(windows_), precision.activation_bits);
    ThresholdPoint point;
    point.result =
        perplexity(cpu_.team(), source, windows_, {.reference = &reference_, .progress = at});
    point.tokens_per_s = static_cast<double>(source.tokens()) / source.seconds();
    point.weights_bytes = loaded.model.weights().bytes();
    if (speed) {
      SpeedOptions decode = {.decode_tokens = 32, .activation_bits = precision.activation_bits};
      decode.limits.seconds = options_.speed_seconds;
      decode.limits.between = [&] { at(1); };
      point.decode_per_s = decode_speed(cpu_, loaded.model, 1, decode).tokens_per_s;
    }
    ++done_;
    return point;
  }

  device::Cpu& cpu_;
  const ThresholdStudyOptions& options_;
  std::span<const Window> windows_;
  ModelSource reference_;
  ThresholdStudy study_;
  double runs_ = 1;
  double done_ = 0;
};

}  // namespace

size_t recommended_point(const std::vector<ThresholdPoint>& points) {
  OCTET_CHECK(!points.empty());
  double best = points.front().kl();
  for (const ThresholdPoint& point : points) best = std::min(best, point.kl());
  size_t chosen = points.size();
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].kl() > best * (1 + kTolerance)) continue;
    if (points[i].threshold == 0) return i;
    // Thresholds rise, and the columns that reach them become fewer.
    if (chosen == points.size() || points[i].outlier_columns < points[chosen].outlier_columns) {
      chosen = i;
    }
  }
  return chosen;
}

const ThresholdPoint& ThresholdStudy::at_base() const {
  const auto found = std::ranges::find(thresholds, base.threshold);
  OCTET_CHECK(found != thresholds.end());
  return together[static_cast<size_t>(found - thresholds.begin())];
}

Precision ThresholdStudy::recommendation() const {
  Precision precision = base;
  for (const LayerKind kind : kLayerKinds) {
    const auto index = static_cast<size_t>(kind);
    const float threshold = by_kind[index][recommended[index]].threshold;
    if (threshold != base.threshold) precision.kind_thresholds[index] = threshold;
  }
  return precision;
}

ThresholdStudy study_thresholds(device::Cpu& cpu, model::Model& reference,
                                std::span<const Window> windows,
                                const ThresholdStudyOptions& options) {
  OCTET_CHECK(!windows.empty() && linear::has_decomposition(options.base.method));
  return Study(cpu, reference, windows, options).run();
}

}  // namespace octet::evaluate

// Which threshold a model needs: accuracy, outlier columns and speed at several, for all layers
// together and for each kind of layer by itself.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "device/cpu.h"
#include "evaluate/logit_source.h"
#include "evaluate/outliers/column_share.h"
#include "evaluate/perplexity.h"
#include "linear/precision.h"
#include "model/load/load.h"

namespace octet::evaluate {

/// A model at some thresholds.
struct ThresholdPoint {
  float threshold = 0;         ///< 0: decomposition is off
  double outlier_columns = 0;  ///< share of the input columns of the layers that it is of
  Perplexity result;           ///< with the divergence from the reference
  double tokens_per_s = 0;     ///< of the windows
  double decode_per_s = 0;     ///< tokens/s of one sequence; 0 where not measured
  int64_t weights_bytes = 0;

  double kl() const { return result.divergence->kl.value; }
};

struct ThresholdStudy {
  linear::Precision base;                ///< what the kinds are compared at
  std::vector<float> thresholds;         ///< rising, 0 (off) first where asked for
  std::vector<ColumnShare> shares;       ///< [thresholds] in the reference's activations; none of 0
  std::vector<ThresholdPoint> together;  ///< every layer has it
  /// One kind has it, the others the base's; by LayerKind.
  std::array<std::vector<ThresholdPoint>, linear::kLayerKinds.size()> by_kind;
  /// Index of each kind's recommended point: of those whose KL is at most kTolerance above the
  /// kind's best, the one with the fewest outlier columns, off before all.
  std::array<size_t, linear::kLayerKinds.size()> recommended{};
  ThresholdPoint chosen;  ///< the model with all recommendations at once

  /// The base with what is recommended for each kind that differs from it.
  linear::Precision recommendation() const;
  const ThresholdPoint& at_base() const;
};

/// A KL divergence this share above another is not worth 16-bit columns.
inline constexpr double kTolerance = 0.1;

struct ThresholdStudyOptions {
  linear::Precision base;
  std::vector<float> thresholds;  ///< the base's is added
  std::function<model::Loaded(const linear::Precision&)> load;
  double speed_seconds = 0.5;  ///< spent on each decode speed
  /// Called with the share done. Throwing from it stops the study.
  std::function<void(double)> progress = {};
};

/// `reference`: the float model, whose activations are counted and whose logits are compared with.
ThresholdStudy study_thresholds(device::Cpu& cpu, model::Model& reference,
                                std::span<const Window> windows,
                                const ThresholdStudyOptions& options);

/// The recommended index of one kind's points.
size_t recommended_point(const std::vector<ThresholdPoint>& points);

}  // namespace octet::evaluate

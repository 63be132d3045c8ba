// The share of outlier columns in the inputs of linear layers, for one threshold or many.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "linear/layer_kind.h"
#include "model/architecture.h"
#include "tensor/view.h"

namespace octet::evaluate {

/// Of each layer, by LayerKind: the share of columns in which some value of a window reaches the
/// threshold, mean over windows. [layers]
using ColumnShare = std::vector<std::array<double, linear::kLayerKinds.size()>>;

/// The mean over all layers.
double mean_over_layers(const ColumnShare& share, linear::LayerKind kind);

/// Sees what a pass's linear layers read, window after window.
class ColumnShareTracker {
 public:
  ColumnShareTracker(int64_t layers, std::vector<float> thresholds);

  void see(int64_t layer, model::LinearId id, tensor::MatrixView<const float> input);
  void end_window();

  const std::vector<float>& thresholds() const { return thresholds_; }
  /// After at least one window, for thresholds()[index].
  ColumnShare share(size_t index) const;

 private:
  std::vector<float> thresholds_;
  /// Largest magnitude of each column in the window at hand, by layer and linear layer.
  std::map<std::tuple<int64_t, model::LinearSlot, int32_t>, std::vector<float>> peaks_;
  std::vector<ColumnShare> sums_;  ///< [thresholds]
  int64_t windows_ = 0;
};

}  // namespace octet::evaluate

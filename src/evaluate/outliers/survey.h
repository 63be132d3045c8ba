// Which features of a model's hidden states are outliers (LLM.int8(), Sec. 4 and Table 4), and the
// share of outlier columns in every linear layer's input.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "device/cpu.h"
#include "evaluate/outliers/column_share.h"
#include "evaluate/windows.h"
#include "linear/layer_kind.h"
#include "model/model.h"

namespace octet::evaluate {

/// The paper's definition: a dimension of the hidden state is an outlier when it holds a magnitude
/// of at least `threshold` in at least this share of the layers, and at this share of all (layer,
/// position) pairs. Looked at are the inputs of the q/k/v projections and of the first feed-forward
/// layer (or of the router in front of experts); a layer counts when one of the two reaches it. The
/// inputs of o and of the second feed-forward layer have dimensions of their own.
struct OutlierDefinition {
  float threshold = 6;
  double layers = 0.25;
  double positions = 0.06;
};

struct Quartiles {
  double lower = 0;
  double median = 0;
  double upper = 0;
};

/// A dimension in which some value reaches the threshold.
struct OutlierDimension {
  int32_t index = 0;
  double layers = 0;     ///< share of the layers in which it does
  double positions = 0;  ///< share of all (layer, position) pairs
  float peak = 0;        ///< the value of the largest magnitude
  /// Of the values that reach the threshold, with their signs.
  Quartiles quartiles = {};
  int64_t values = 0;                        ///< how many those are
  bool one_sided = false;                    ///< at least 99% of them have the same sign
  std::vector<int64_t> attention_layers;     ///< where the input of q/k/v reaches it
  std::vector<int64_t> feed_forward_layers;  ///< where the first feed-forward layer's does
};

struct OutlierSurvey {
  OutlierDefinition definition;
  int64_t layers = 0;
  int64_t positions = 0;
  std::vector<OutlierDimension> outliers;  ///< those of the definition, by their index
  std::vector<OutlierDimension> others;    ///< short of it, those in most layers first
  std::vector<float> peaks;                ///< [hidden_size] largest magnitude of each dimension
  /// Means over the outliers; 0 when there are none.
  double mean_layers = 0;
  double mean_positions = 0;
  Quartiles quartiles;          ///< of all outliers' values that reach the threshold
  double median_magnitude = 0;  ///< of the same
  ColumnShare column_share;     ///< at the definition's threshold

  int64_t one_sided() const;
  std::vector<int32_t> indices() const;
};

/// Sees the hidden states that a pass's layers read, window after window.
class OutlierTracker {
 public:
  OutlierTracker(int64_t layers, int64_t hidden_size, float threshold);

  /// Inputs that are not looked at are passed over. A layer's q/k/v come before its feed-forward
  /// block, with the same rows.
  void see(int64_t layer, model::LinearId id, tensor::MatrixView<const float> input);
  void end_window(int64_t positions) { positions_ += positions; }

  /// All but column_share.
  OutlierSurvey result(const OutlierDefinition& definition) const;

 private:
  /// What is known of one dimension.
  struct Tracked {
    std::vector<double> values;         ///< that reach the threshold
    std::vector<uint8_t> attention;     ///< [layers] reached in the input of q/k/v
    std::vector<uint8_t> feed_forward;  ///< [layers] … of the first feed-forward layer
    int64_t pairs = 0;                  ///< of layer and position
    float peak = 0;                     ///< largest magnitude
  };
  void see_hidden(int64_t layer, tensor::MatrixView<const float> input, bool attention);
  OutlierDimension described(int64_t index) const;

  int64_t layers_;
  float threshold_;
  int64_t positions_ = 0;
  std::vector<Tracked> tracked_;       ///< [hidden_size]
  std::vector<uint8_t> reached_rows_;  ///< [rows of the step, hidden_size] of the layer at hand
};

/// Runs the model over the windows and looks. `progress` is called with the share done; throwing
/// from it stops the survey.
OutlierSurvey survey_outliers(device::Cpu& cpu, model::Model& model,
                              std::span<const Window> windows, const OutlierDefinition& definition,
                              int activation_bits,
                              const std::function<void(double)>& progress = {});

}  // namespace octet::evaluate

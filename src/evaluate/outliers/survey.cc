// Looking at the inputs of all linear layers, step by step.
#include "evaluate/outliers/survey.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evaluate/divergence.h"
#include "runtime/session.h"

namespace octet::evaluate {
namespace {

using model::LinearId;
using model::LinearSlot;
using tensor::MatrixView;

constexpr double kOneSided = 0.99;
/// Shares are quotients of counts: what a product of the two may be off.
constexpr double kRounding = 1e-9;

Quartiles quartiles_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  return {quantile_of(values, 0.25), quantile_of(values, 0.5), quantile_of(values, 0.75)};
}

/// Means and quartiles over the outliers, whose values are `values`.
void summarise(const std::vector<double>& values, OutlierSurvey& survey) {
  if (survey.outliers.empty()) return;
  const auto count = static_cast<double>(survey.outliers.size());
  for (const OutlierDimension& dimension : survey.outliers) {
    survey.mean_layers += dimension.layers / count;
    survey.mean_positions += dimension.positions / count;
  }
  survey.quartiles = quartiles_of(values);
  std::vector<double> magnitudes;
  magnitudes.reserve(values.size());
  for (const double value : values) magnitudes.push_back(std::fabs(value));
  survey.median_magnitude = quartiles_of(magnitudes).median;
}

}  // namespace

OutlierTracker::OutlierTracker(int64_t layers, int64_t hidden_size, float threshold)
    : layers_(layers), threshold_(threshold), tracked_(static_cast<size_t>(hidden_size)) {
  for (Tracked& dimension : tracked_) {
    dimension.attention.resize(static_cast<size_t>(layers));
    dimension.feed_forward.resize(static_cast<size_t>(layers));
  }
}

void OutlierTracker::see(int64_t layer, LinearId id, MatrixView<const float> input) {
  if (id == LinearId{LinearSlot::qkv}) see_hidden(layer, input, /*attention=*/true);
  // Experts get some rows each; their router sees all of them.
  if (id == LinearId{LinearSlot::up} || id.slot == LinearSlot::router) {
    see_hidden(layer, input, /*attention=*/false);
  }
}

void OutlierTracker::see_hidden(int64_t layer, MatrixView<const float> input, bool attention) {
  const int64_t hidden_size = std::ssize(tracked_);
  OCTET_CHECK(input.columns == hidden_size);
  if (attention) {  // the first of the layer's two
    reached_rows_.assign(static_cast<size_t>(input.rows * hidden_size), 0);
  }
  OCTET_CHECK(std::ssize(reached_rows_) == input.rows * hidden_size);
  for (int64_t row = 0; row < input.rows; ++row) {
    uint8_t* reached = &reached_rows_[static_cast<size_t>(row * hidden_size)];
    for (int64_t i = 0; i < hidden_size; ++i) {
      const float value = input.row(row)[i];
      Tracked& tracked = tracked_[static_cast<size_t>(i)];
      tracked.peak = std::max(tracked.peak, std::fabs(value));
      if (!(std::fabs(value) >= threshold_)) continue;
      tracked.values.push_back(static_cast<double>(value));
      (attention ? tracked.attention : tracked.feed_forward)[static_cast<size_t>(layer)] = 1;
      tracked.pairs += reached[i] == 0 ? 1 : 0;
      reached[i] = 1;
    }
  }
}

OutlierSurvey OutlierTracker::result(const OutlierDefinition& definition) const {
  OutlierSurvey survey;
  survey.definition = definition;
  survey.layers = layers_;
  survey.positions = positions_;
  std::vector<double> values;
  for (int64_t i = 0; i < std::ssize(tracked_); ++i) {
    const Tracked& tracked = tracked_[static_cast<size_t>(i)];
    survey.peaks.push_back(tracked.peak);
    if (tracked.values.empty()) continue;
    const OutlierDimension dimension = described(i);
    if (dimension.layers >= definition.layers - kRounding &&
        dimension.positions >= definition.positions - kRounding) {
      survey.outliers.push_back(dimension);
      values.insert(values.end(), tracked.values.begin(), tracked.values.end());
    } else {
      survey.others.push_back(dimension);
    }
  }
  summarise(values, survey);
  std::ranges::stable_sort(survey.others, [](const auto& a, const auto& b) {
    return std::pair(a.layers, a.positions) > std::pair(b.layers, b.positions);
  });
  return survey;
}

OutlierDimension OutlierTracker::described(int64_t index) const {
  const Tracked& tracked = tracked_[static_cast<size_t>(index)];
  OutlierDimension dimension;
  dimension.index = static_cast<int32_t>(index);
  int64_t reached = 0;
  for (int64_t layer = 0; layer < layers_; ++layer) {
    const bool attention = tracked.attention[static_cast<size_t>(layer)] != 0;
    const bool feed_forward = tracked.feed_forward[static_cast<size_t>(layer)] != 0;
    if (attention) dimension.attention_layers.push_back(layer);
    if (feed_forward) dimension.feed_forward_layers.push_back(layer);
    reached += attention || feed_forward ? 1 : 0;
  }
  dimension.layers = static_cast<double>(reached) / static_cast<double>(layers_);
  dimension.positions =
      static_cast<double>(tracked.pairs) / static_cast<double>(layers_ * positions_);
  dimension.quartiles = quartiles_of(tracked.values);
  dimension.values = std::ssize(tracked.values);
  dimension.peak = static_cast<float>(
      *std::ranges::max_element(tracked.values, {}, [](double v) { return std::fabs(v); }));
  const auto positive = static_cast<double>(
      std::ranges::count_if(tracked.values, [](double value) { return value > 0; }));
  const auto count = static_cast<double>(tracked.values.size());
  dimension.one_sided = std::max(positive, count - positive) >= kOneSided * count;
  return dimension;
}

int64_t OutlierSurvey::one_sided() const {
  return std::ranges::count_if(outliers, [](const auto& dimension) { return dimension.one_sided; });
}

std::vector<int32_t> OutlierSurvey::indices() const {
  std::vector<int32_t> indices;
  for (const OutlierDimension& dimension : outliers) indices.push_back(dimension.index);
  return indices;
}

OutlierSurvey survey_outliers(device::Cpu& cpu, model::Model& model,
                              std::span<const Window> windows, const OutlierDefinition& definition,
                              int activation_bits, const std::function<void(double)>& progress) {
  OCTET_CHECK(!windows.empty());
  int64_t longest = 0;
  for (const Window& window : windows) longest = std::max(longest, std::ssize(window));
  const model::Architecture& architecture = model.architecture();
  OutlierTracker tracker(architecture.layers, architecture.hidden_size, definition.threshold);
  ColumnShareTracker columns(architecture.layers, {definition.threshold});
  model::PassObserver observer;
  observer.input = [&](int64_t layer, LinearId id, MatrixView<const float> input) {
    tracker.see(layer, id, input);
    columns.see(layer, id, input);
  };
  runtime::Session session(model, cpu, longest);
  const runtime::SequenceId sequence = session.open();
  for (size_t i = 0; i < windows.size(); ++i) {
    if (progress) progress(static_cast<double>(i) / static_cast<double>(windows.size()));
    session.truncate(sequence, 0);
    const runtime::Feed feed = {
        .sequence = sequence, .tokens = windows[i], .all_logits = false, .no_logits = true};
    session.run({&feed, 1}, activation_bits, observer);
    tracker.end_window(std::ssize(windows[i]));
    columns.end_window();
  }
  OutlierSurvey survey = tracker.result(definition);
  survey.column_share = columns.share(0);
  return survey;
}

}  // namespace octet::evaluate

// Counting columns by their largest magnitude in a window.
#include "evaluate/outliers/column_share.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octet::evaluate {

double mean_over_layers(const ColumnShare& share, linear::LayerKind kind) {
  double sum = 0;
  for (const auto& kinds : share) sum += kinds[static_cast<size_t>(kind)];
  return share.empty() ? 0 : sum / static_cast<double>(share.size());
}

ColumnShareTracker::ColumnShareTracker(int64_t layers, std::vector<float> thresholds)
    : thresholds_(std::move(thresholds)),
      sums_(thresholds_.size(), ColumnShare(static_cast<size_t>(layers))) {}

void ColumnShareTracker::see(int64_t layer, model::LinearId id,
                             tensor::MatrixView<const float> input) {
  if (!model::kind_of(id.slot)) return;
  std::vector<float>& peaks = peaks_[{layer, id.slot, id.expert}];
  peaks.resize(static_cast<size_t>(input.columns));
  for (int64_t row = 0; row < input.rows; ++row) {
    const float* values = input.row(row);
    for (int64_t i = 0; i < input.columns; ++i) {
      float& peak = peaks[static_cast<size_t>(i)];
      peak = std::max(peak, std::fabs(values[i]));
    }
  }
}

void ColumnShareTracker::end_window() {
  for (size_t t = 0; t < thresholds_.size(); ++t) {
    ColumnShare reached(sums_[t].size());
    ColumnShare columns(sums_[t].size());
    for (const auto& [place, peaks] : peaks_) {
      const auto layer = static_cast<size_t>(std::get<0>(place));
      const auto kind = static_cast<size_t>(*model::kind_of(std::get<1>(place)));
      const auto reaches = [&](float peak) { return peak >= thresholds_[t]; };
      reached[layer][kind] += static_cast<double>(std::ranges::count_if(peaks, reaches));
      columns[layer][kind] += static_cast<double>(peaks.size());
    }
    for (size_t layer = 0; layer < reached.size(); ++layer) {
      for (size_t kind = 0; kind < reached[layer].size(); ++kind) {
        if (columns[layer][kind] == 0) continue;
        sums_[t][layer][kind] += reached[layer][kind] / columns[layer][kind];
      }
    }
  }
  peaks_.clear();
  ++windows_;
}

ColumnShare ColumnShareTracker::share(size_t index) const {
  OCTET_CHECK(windows_ > 0);
  ColumnShare share = sums_[index];
  for (auto& kinds : share) {
    for (double& value : kinds) value /= static_cast<double>(windows_);
  }
  return share;
}

}  // namespace octet::evaluate

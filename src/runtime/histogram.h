// Counts of measured values by size, as Prometheus shows them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace octet::runtime {

/// counts()[i] values are ≤ bounds()[i] and above the bound before; the last count, one more than
/// there are bounds, is of the values above them all.
class Histogram {
 public:
  /// `bounds` ascend.
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void add(double value) {
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
    ++counts_[static_cast<size_t>(at - bounds_.begin())];
    ++count_;
    sum_ += value;
    highest_ = std::max(highest_, value);
  }

  std::span<const double> bounds() const { return bounds_; }
  std::span<const int64_t> counts() const { return counts_; }
  int64_t count() const { return count_; }
  double sum() const { return sum_; }
  double highest() const { return highest_; }

 private:
  std::vector<double> bounds_;
  std::vector<int64_t> counts_;
  int64_t count_ = 0;
  double sum_ = 0;
  double highest_ = 0;
};

/// Bounds for durations in seconds, from half a millisecond to ten minutes.
inline Histogram seconds_histogram() {
  return Histogram({.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60,
                    120, 300, 600});
}

}  // namespace octet::runtime

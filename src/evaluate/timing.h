// Repeated measurements: when they are enough, and the figure they give.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace octet::evaluate {

/// The middle value; the mean of the two in the middle when their number is even. Not of nothing.
double median(std::span<const double> values);
/// Half the distance between the quartiles, as a share of the median: how much values vary.
double spread(std::span<const double> values);

/// When to stop repeating.
struct RepeatLimits {
  int fewest = 3;
  int most = 30;
  double seconds = 3;    ///< no repeat begins after so long, but for the fewest
  double stable = 0.01;  ///< enough once the spread of at least 5 values is below this
  /// Called before each repeat; throwing from it stops the measurement.
  std::function<void()> between = {};
};

/// True when `seconds` (durations of the repeats so far) are enough.
bool enough(std::span<const double> seconds, const RepeatLimits& limits);

/// Calls `measure`, which returns the seconds of what it measured, until that is enough.
std::vector<double> repeat(const std::function<double()>& measure, const RepeatLimits& limits);

/// Seconds that a call of `work` takes.
double seconds_of(const std::function<void()>& work);

}  // namespace octet::evaluate

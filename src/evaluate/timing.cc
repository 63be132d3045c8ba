// Medians, and repeating until they are stable.
#include "evaluate/timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace octet::evaluate {

namespace {

/// The value below which a share of the sorted values lies, linear between them.
double quantile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - std::floor(place);
  return sorted[below] * (1 - part) + sorted[above] * part;
}

std::vector<double> sorted(std::span<const double> values) {
  OCTET_CHECK(!values.empty());
  std::vector<double> copy(values.begin(), values.end());
  std::sort(copy.begin(), copy.end());
  return copy;
}

}  // namespace

double median(std::span<const double> values) {
  return quantile(sorted(values), 0.5);
}

double spread(std::span<const double> values) {
  const std::vector<double> in_order = sorted(values);
  const double middle = quantile(in_order, 0.5);
  if (middle == 0) return 0;
  return (quantile(in_order, 0.75) - quantile(in_order, 0.25)) / 2 / middle;
}

bool enough(std::span<const double> seconds, const RepeatLimits& limits) {
  const auto count = static_cast<int>(seconds.size());
  if (count < limits.fewest) return false;
  if (count >= limits.most) return true;
  if (std::accumulate(seconds.begin(), seconds.end(), 0.0) >= limits.seconds) return true;
  return count >= 5 && spread(seconds) <= limits.stable;
}

std::vector<double> repeat(const std::function<double()>& measure, const RepeatLimits& limits) {
  std::vector<double> seconds;
  while (!enough(seconds, limits)) {
    if (limits.between) limits.between();
    seconds.push_back(measure());
  }
  return seconds;
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace octet::evaluate

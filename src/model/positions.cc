// What tells positions apart and is computed rather than stored: sinusoids and ALiBi's slopes.
#include "model/positions.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "ops/rope/rope.h"

namespace octet::model {

tensor::Array<float> sinusoidal_positions(const Architecture& architecture) {
  const int64_t hidden = architecture.hidden_size;
  const int64_t half = hidden / 2;
  const int64_t rows = architecture.max_positions + architecture.position_offset;
  tensor::Array<float> table(rows * hidden);
  for (int64_t i = 0; i < half; ++i) {
    const double exponent = -static_cast<double>(i) / static_cast<double>(half > 1 ? half - 1 : 1);
    const auto frequency = static_cast<float>(std::pow(10000.0, exponent));
    for (int64_t row = 0; row < rows; ++row) {
      // The product in float, as for rotary angles.
      ops::cos_sin(static_cast<float>(row) * frequency, &table[row * hidden + half + i],
                   &table[row * hidden + i]);
    }
  }
  return table;
}

namespace {

/// The bucket of a distance ≥ 0 among `buckets`. In float, as the models were trained: a distance
/// on the border of two ranges goes where float's logarithms put it.
int64_t bucket_of(int64_t distance, int64_t buckets, int64_t reach) {
  const int64_t exact = buckets / 2;
  if (distance < exact) return distance;
  const auto ratio = static_cast<float>(distance) / static_cast<float>(exact);
  const auto range =
      static_cast<float>(std::log(static_cast<double>(reach) / static_cast<double>(exact)));
  const float step = std::log(ratio) / range * static_cast<float>(buckets - exact);
  return std::min(exact + static_cast<int64_t>(step), buckets - 1);
}

}  // namespace

tensor::Array<float> relative_bias(const Architecture& a, const float* buckets, Stack stack) {
  const int64_t reach = a.relative_reach;
  const int64_t width = 2 * reach + 1;
  const bool both = stack == Stack::encoder;
  const int64_t one_direction = both ? a.relative_buckets / 2 : a.relative_buckets;
  tensor::Array<float> bias(a.heads * width);
  for (int64_t distance = -reach; distance <= reach; ++distance) {
    const int64_t later = both && distance > 0 ? one_direction : 0;
    const int64_t size = both ? std::abs(distance) : std::max<int64_t>(0, -distance);
    const int64_t bucket = later + bucket_of(size, one_direction, reach);
    for (int64_t head = 0; head < a.heads; ++head) {
      bias[head * width + reach + distance] = buckets[bucket * a.heads + head];
    }
  }
  return bias;
}

std::vector<float> alibi_slopes(int64_t heads) {
  const auto slope = [](int64_t index, int64_t of) {
    return static_cast<float>(
        std::exp2(-8.0 * static_cast<double>(index) / static_cast<double>(of)));
  };
  int64_t power = 1;
  while (2 * power <= heads) power *= 2;
  std::vector<float> slopes;
  for (int64_t i = 1; i <= power; ++i) slopes.push_back(slope(i, power));
  for (int64_t i = 0; i < heads - power; ++i) slopes.push_back(slope(2 * i + 1, 2 * power));
  return slopes;
}

}  // namespace octet::model

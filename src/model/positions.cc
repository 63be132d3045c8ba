// What tells positions apart and is computed rather than stored: sinusoids and ALiBi's slopes.
#include "model/positions.h"

#include <cmath>

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

// Symmetric quantisation, value by value.
#include "quant/absmax.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octet::quant {

float absmax_scale(std::span<const float> x) {
  float c = 0;
  for (float value : x) c = std::max(c, std::fabs(value));
  return c;
}

float absmax_multiplier(float c, int32_t code_max) {
  if (c == 0) return 0;
  const float multiplier = 1.0f / c * static_cast<float>(code_max);
  return std::isfinite(multiplier) ? multiplier : 0;
}

int32_t quantize_value(float value, float multiplier, int32_t code_max) {
  // std::nearbyint rounds ties to even in the default rounding mode.
  const float limit = static_cast<float>(code_max);
  return static_cast<int32_t>(std::clamp(std::nearbyint(value * multiplier), -limit, limit));
}

void quantize_absmax(std::span<const float> x, float c, std::span<int8_t> codes) {
  OCTET_CHECK(codes.size() == x.size());
  const float multiplier = absmax_multiplier(c);
  for (size_t i = 0; i < x.size(); ++i) {
    codes[i] = static_cast<int8_t>(quantize_value(x[i], multiplier));
  }
}

void quantize_absmax_planes(std::span<const float> x, float c, std::span<int8_t> hi,
                            std::span<int8_t> lo) {
  OCTET_CHECK(hi.size() == x.size() && lo.size() == x.size());
  const float multiplier = absmax_multiplier(c, kTwoPlanesMax);
  for (size_t i = 0; i < x.size(); ++i) {
    const int32_t q = quantize_value(x[i], multiplier, kTwoPlanesMax);
    const int32_t high = (q + 64) >> 7;  // floor: leaves a remainder in [−64, 63]
    hi[i] = static_cast<int8_t>(high);
    lo[i] = static_cast<int8_t>(q - 128 * high);
  }
}

float dequantize_absmax(int32_t code, float c, int32_t code_max) {
  return static_cast<float>(code) * (c / static_cast<float>(code_max));
}

}  // namespace octet::quant

// Asymmetric quantisation, value by value.
#include "quant/zeropoint.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quant/absmax.h"

namespace octet::quant {

ZeropointParams zeropoint_params(std::span<const float> x) {
  float min = 0;
  float max = 0;
  for (float value : x) {
    min = std::min(min, value);
    max = std::max(max, value);
  }
  return zeropoint_params(min, max);
}

ZeropointParams zeropoint_params(float min, float max) {
  OCTET_CHECK(min <= 0 && max >= 0);
  // Halved before the subtraction, which therefore cannot overflow.
  const float half_range = max * 0.5f - min * 0.5f;
  const float nd = absmax_multiplier(half_range);
  if (nd == 0) return {.half_range = half_range, .zero = 0};
  const auto zero = static_cast<int32_t>(-std::nearbyint(nd * min)) - kCodeMax;
  return {.half_range = half_range, .zero = std::clamp(zero, -kCodeMax, kCodeMax)};
}

int32_t quantize_zeropoint_value(float value, const ZeropointParams& params) {
  const float scaled = std::nearbyint(value * absmax_multiplier(params.half_range));
  const float limit = 2 * kCodeMax + 1;  // every value of the range is inside
  const auto code = static_cast<int32_t>(std::clamp(scaled, -limit, limit)) + params.zero;
  return std::clamp(code, -kCodeMax, kCodeMax);
}

void quantize_zeropoint(std::span<const float> x, const ZeropointParams& params,
                        std::span<int8_t> codes) {
  OCTET_CHECK(codes.size() == x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    codes[i] = static_cast<int8_t>(quantize_zeropoint_value(x[i], params));
  }
}

float dequantize_zeropoint(int32_t code, const ZeropointParams& params) {
  return static_cast<float>(code - params.zero) * (params.half_range / 127.0f);
}

}  // namespace octet::quant

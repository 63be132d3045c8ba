// Asymmetric quantisation (LLM.int8(), Eqs. 1–3): the whole range of the values fills the codes.
#pragma once

#include <cstdint>
#include <span>

namespace octet::quant {

/// X_i8 = rint(nd·X) + zero and X ≈ (X_i8 − zero)/nd, with nd = 254 / (max − min).
struct ZeropointParams {
  /// h = (max − min)/2, the counterpart of absmax's c: nd = (1/h)·127 and 1/nd = h/127.
  float half_range = 0;
  /// The code of the value 0, in [−127, 127]: −rint(nd·min) − 127.
  int32_t zero = 0;
};

/// The parameters for the values of `x`. The range always includes 0; max = min = 0 gives zeros.
ZeropointParams zeropoint_params(std::span<const float> x);

/// The same for a range known beforehand; min ≤ 0 ≤ max.
ZeropointParams zeropoint_params(float min, float max);

/// rint(nd·value) + zero, clamped to [−127, 127].
int32_t quantize_zeropoint_value(float value, const ZeropointParams& params);
void quantize_zeropoint(std::span<const float> x, const ZeropointParams& params,
                        std::span<int8_t> codes);

float dequantize_zeropoint(int32_t code, const ZeropointParams& params);

}  // namespace octet::quant

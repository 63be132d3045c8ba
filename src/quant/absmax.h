// Symmetric quantisation (LLM.int8(), Sec. 2.1): one scale c = max |x|, codes in [−127, 127].
#pragma once

#include <cstdint>
#include <span>

namespace octet::quant {

/// Largest code of an int8 plane; −128 is never used.
inline constexpr int32_t kCodeMax = 127;
/// Largest code of two int8 planes, q = 128·hi + lo: a 15-bit activation.
inline constexpr int32_t kTwoPlanesMax = 128 * kCodeMax;

/// c = max |x|; 0 for an empty span.
float absmax_scale(std::span<const float> x);

/// The multiplier s = (1/c)·code_max that turns values into codes, in float32; 0 where c is 0 or so
/// small that s is not finite, so that all codes are 0.
float absmax_multiplier(float c, int32_t code_max = kCodeMax);

/// rint(value·multiplier), ties to even, clamped to ±code_max.
int32_t quantize_value(float value, float multiplier, int32_t code_max = kCodeMax);

/// Sec. 2.1: X_i8 = rint(127·X / c), as x·((1/c)·127). `codes` is as long as `x`.
void quantize_absmax(std::span<const float> x, float c, std::span<int8_t> codes);

/// The 15-bit code of two planes: q = rint(x·((1/c)·16256)) = 128·hi + lo with |hi| ≤ 127 and lo in
/// [−64, 63].
void quantize_absmax_planes(std::span<const float> x, float c, std::span<int8_t> hi,
                            std::span<int8_t> lo);

/// X ≈ X_i8·c/127.
float dequantize_absmax(int32_t code, float c, int32_t code_max = kCodeMax);

}  // namespace octet::quant

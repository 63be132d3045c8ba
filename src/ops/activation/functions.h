// The activation functions, as templates over the lane type.
#pragma once

#include "ops/activation/activation.h"
#include "ops/simd/math.h"

namespace octet::ops::simd {

/// max(x, 0), where NaN stays NaN. Adding zero makes +0 of -0 and of denormals (with DAZ).
template <typename V>
OCTET_LANES V relu(V x) {
  return max(V::zero(), x + V::zero());
}

/// x / (1 + e^(-factor·x)); -0 where the exponential overflows, below -88.7 / factor.
template <typename V>
OCTET_LANES V sigmoid_linear(V x, float factor) {
  return x / (V::broadcast(1.0f) + exp(V::broadcast(-factor) * x));
}

/// x·(1 + cdf)/2 for either form of GELU.
template <typename V>
OCTET_LANES V half_of_one_plus(V x, V value) {
  return V::broadcast(0.5f) * x * (V::broadcast(1.0f) + value);
}

template <typename V>
OCTET_LANES V gelu(V x) {
  const V root_half = V::broadcast(0x1.6a09e6p-1f);  // √½
  return half_of_one_plus(x, erf(x * root_half));
}

template <typename V>
OCTET_LANES V gelu_tanh(V x) {
  const V root_two_over_pi = V::broadcast(0x1.988454p-1f);
  const V cube = x * x * x;
  const V inner = root_two_over_pi * fma(V::broadcast(0.044715f), cube, x);
  return half_of_one_plus(x, tanh(inner));
}

}  // namespace octet::ops::simd

// The activations of one row, as templates over the lane type.
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

template <typename V, typename F>
OCTET_LANES void activate_some(const ActivationArgs& args, int64_t i, int64_t count, F function) {
  V y = function(V::load_partial(args.x + i, count));
  if (args.up != nullptr) y = y * V::load_partial(args.up + i, count);
  y.store_partial(args.out + i, count);
}

template <typename V, typename F>
OCTET_LANES void activate_all(const ActivationArgs& args, F function) {
  int64_t i = 0;
  for (; i + kLanes <= args.columns; i += kLanes) activate_some<V>(args, i, kLanes, function);
  if (i < args.columns) activate_some<V>(args, i, args.columns - i, function);
}

template <typename V>
OCTET_LANES void activate(const ActivationArgs& args) {
  switch (args.kind) {
    case Activation::relu:
      return activate_all<V>(args, [](V x) OCTET_LANES_LAMBDA { return relu(x); });
    case Activation::silu:
      return activate_all<V>(args, [](V x) OCTET_LANES_LAMBDA { return sigmoid_linear(x, 1.0f); });
    case Activation::gelu:
      return activate_all<V>(args, [](V x) OCTET_LANES_LAMBDA { return gelu(x); });
    case Activation::gelu_tanh:
      return activate_all<V>(args, [](V x) OCTET_LANES_LAMBDA { return gelu_tanh(x); });
    case Activation::quick_gelu:
      return activate_all<V>(args,
                             [](V x) OCTET_LANES_LAMBDA { return sigmoid_linear(x, 1.702f); });
    case Activation::relu_squared:
      return activate_all<V>(args, [](V x) OCTET_LANES_LAMBDA { return relu(x) * relu(x); });
  }
}

}  // namespace octet::ops::simd

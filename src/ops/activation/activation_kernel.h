// The activations of one row, as templates over the lane type.
#pragma once

#include "ops/activation/activation.h"
#include "ops/activation/functions.h"

namespace octet::ops::simd {

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

// The non-linearity of the feed-forward block, plain or gated.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ops/registry.h"

namespace octet::ops {

/// relu; silu = x/(1+e^−x); gelu with erf; gelu with tanh (gelu_new, gelu_pytorch_tanh);
/// quick_gelu = x/(1+e^(−1.702x)).
enum class Activation : uint8_t { relu, silu, gelu, gelu_tanh, quick_gelu, relu_squared };

/// The activation a Hugging Face config calls `text`; nothing when unknown.
std::optional<Activation> parse_activation(std::string_view text);

/// out[i] = f(x[i]), times up[i] when `up` is given. out may be x or up.
struct ActivationArgs {
  Activation kind = Activation::relu;
  const float* x = nullptr;
  const float* up = nullptr;
  int64_t columns = 0;
  float* out = nullptr;
};

using ActivationFunction = void(const ActivationArgs&);

std::span<const Kernel<ActivationFunction>> activation_kernels();

}  // namespace octet::ops

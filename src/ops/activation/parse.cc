// The names configs give the activations.
#include "ops/activation/activation.h"

namespace octet::ops {

std::optional<Activation> parse_activation(std::string_view text) {
  struct Name {
    std::string_view text;
    Activation activation;
  };
  static constexpr Name kNames[] = {
      {"relu", Activation::relu},
      {"relu2", Activation::relu_squared},
      {"silu", Activation::silu},
      {"swish", Activation::silu},
      {"gelu", Activation::gelu},
      {"gelu_python", Activation::gelu},
      {"gelu_new", Activation::gelu_tanh},
      {"gelu_fast", Activation::gelu_tanh},
      {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"quick_gelu", Activation::quick_gelu},
  };
  for (const Name& name : kNames) {
    if (name.text == text) return name.activation;
  }
  return std::nullopt;
}

}  // namespace octet::ops

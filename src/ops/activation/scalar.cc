// The activation kernel for any CPU.
#include "ops/simd/scalar.h"

#include "ops/activation/activation_kernel.h"

namespace octet::ops::scalar {

void activate(const ActivationArgs& args) {
  simd::activate<simd::Scalar16>(args);
}

}  // namespace octet::ops::scalar

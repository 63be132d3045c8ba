// The rotary embedding kernel for any CPU.
#include "ops/simd/scalar.h"

#include "ops/rope/rope_kernel.h"

namespace octet::ops::scalar {

void rope(const RopeArgs& args) {
  simd::rope<simd::Scalar16>(args);
}

}  // namespace octet::ops::scalar

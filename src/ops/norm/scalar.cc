// The normalisation kernel for any CPU.
#include "ops/simd/scalar.h"

#include "ops/norm/norm_kernel.h"

namespace octet::ops::scalar {

void norm(const NormArgs& args) {
  simd::norm<simd::Scalar16>(args);
}

}  // namespace octet::ops::scalar

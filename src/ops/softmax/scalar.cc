// The softmax kernel for any CPU.
#include "ops/simd/scalar.h"

#include "ops/softmax/softmax_kernel.h"

namespace octet::ops::scalar {

void softmax(const SoftmaxArgs& args) {
  simd::softmax<simd::Scalar16>(args);
}

}  // namespace octet::ops::scalar

// The softmax kernel for AVX2.
#include "ops/simd/avx2.h"

#include "ops/softmax/softmax_kernel.h"

namespace octet::ops::avx2 {

void softmax(const SoftmaxArgs& args) {
  simd::softmax<simd::Avx2x16>(args);
}

}  // namespace octet::ops::avx2

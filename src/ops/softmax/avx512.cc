// The softmax kernel for AVX-512.
#include "ops/simd/avx512.h"

#include "ops/softmax/softmax_kernel.h"

namespace octet::ops::avx512 {

void softmax(const SoftmaxArgs& args) {
  simd::softmax<simd::Avx512x16>(args);
}

}  // namespace octet::ops::avx512

// The activation kernel for AVX2.
#include "ops/simd/avx2.h"

#include "ops/activation/activation_kernel.h"

namespace octet::ops::avx2 {

void activate(const ActivationArgs& args) {
  simd::activate<simd::Avx2x16>(args);
}

}  // namespace octet::ops::avx2

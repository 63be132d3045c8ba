// The activation kernel for AVX-512.
#include "ops/simd/avx512.h"

#include "ops/activation/activation_kernel.h"

namespace octet::ops::avx512 {

void activate(const ActivationArgs& args) {
  simd::activate<simd::Avx512x16>(args);
}

}  // namespace octet::ops::avx512

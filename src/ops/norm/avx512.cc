// The normalisation kernel for AVX-512.
#include "ops/simd/avx512.h"

#include "ops/norm/norm_kernel.h"

namespace octet::ops::avx512 {

void norm(const NormArgs& args) {
  simd::norm<simd::Avx512x16>(args);
}

}  // namespace octet::ops::avx512

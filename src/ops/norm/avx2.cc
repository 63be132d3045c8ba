// The normalisation kernel for AVX2.
#include "ops/simd/avx2.h"

#include "ops/norm/norm_kernel.h"

namespace octet::ops::avx2 {

void norm(const NormArgs& args) {
  simd::norm<simd::Avx2x16>(args);
}

}  // namespace octet::ops::avx2

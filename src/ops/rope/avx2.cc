// The rotary embedding kernel for AVX2.
#include "ops/simd/avx2.h"

#include "ops/rope/rope_kernel.h"

namespace octet::ops::avx2 {

void rope(const RopeArgs& args) {
  simd::rope<simd::Avx2x16>(args);
}

}  // namespace octet::ops::avx2

// The rotary embedding kernel for AVX-512.
#include "ops/simd/avx512.h"

#include "ops/rope/rope_kernel.h"

namespace octet::ops::avx512 {

void rope(const RopeArgs& args) {
  simd::rope<simd::Avx512x16>(args);
}

}  // namespace octet::ops::avx512

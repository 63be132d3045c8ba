// Attention with AVX-512.
#include "ops/simd/avx512.h"

#include "ops/attention/vector_attention.h"

namespace octet::ops {

AttentionFunction attention_avx512;

namespace {

struct Avx512 {
  using V = simd::Avx512x16;
  static constexpr Matmul16Function* multiply = matmul16_avx512;
  static constexpr SplitPlanesFunction* split_planes = split_planes_avx512;
};

}  // namespace

void attention_avx512(const AttentionArgs& args) {
  attention_vector::Attention<Avx512>(args).run();
}

}  // namespace octet::ops

// Attention with AVX2.
#include "ops/simd/avx2.h"

#include "ops/attention/vector_attention.h"

namespace octet::ops {

AttentionFunction attention_avx2;

namespace {

struct Avx2 {
  using V = simd::Avx2x16;
  static constexpr Matmul16Function* multiply = matmul16_avx2;
  static constexpr SplitPlanesFunction* split_planes = split_planes_avx2;
};

}  // namespace

void attention_avx2(const AttentionArgs& args) {
  attention_vector::Attention<Avx2>(args).run();
}

}  // namespace octet::ops

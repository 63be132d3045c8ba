// Attention with AVX-512 and its dot products of bf16 pairs.
#include "ops/attention/vector_attention.h"
#include "ops/simd/avx512.h"

namespace octet::ops {

AttentionFunction attention_avx512bf16;

namespace {

struct Avx512Bf16 {
  using V = simd::Avx512x16;
  static constexpr Matmul16Function* multiply = matmul16_avx512bf16;
  static constexpr SplitPlanesFunction* split_planes = split_planes_avx512;
};

}  // namespace

void attention_avx512bf16(const AttentionArgs& args) {
  attention_vector::Attention<Avx512Bf16>(args).run();
}

}  // namespace octet::ops

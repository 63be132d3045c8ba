// Attention with AMX bf16 tiles for the products and AVX-512 for the rest.
#include "ops/attention/vector_attention.h"
#include "ops/simd/avx512.h"

namespace octet::ops {

AttentionFunction attention_amx;

namespace {

struct Amx {
  using V = simd::Avx512x16;
  static constexpr Matmul16Function* multiply = matmul16_amx;
  static constexpr SplitPlanesFunction* split_planes = split_planes_avx512;
};

}  // namespace

void attention_amx(const AttentionArgs& args) {
  attention_vector::Attention<Amx>(args).run();
}

}  // namespace octet::ops

// Lists the kernels of attention.
#include <array>

#include "ops/attention/attention.h"

namespace octet::ops {

AttentionFunction attention_scalar, attention_avx2, attention_avx512, attention_avx512bf16,
    attention_amx;

namespace {

using device::Isa;

constexpr std::array<Kernel<AttentionFunction>, 5> kAttention = {{
    {Isa::scalar, attention_scalar},
    {Isa::avx2, attention_avx2},
    {Isa::avx512, attention_avx512},
    {Isa::avx512bf16, attention_avx512bf16},
    {Isa::amx, attention_amx},
}};

}  // namespace

std::span<const Kernel<AttentionFunction>> attention_kernels() {
  return kAttention;
}

}  // namespace octet::ops

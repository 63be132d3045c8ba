// Lists the kernels of the 16-bit product and of its activation planes.
#include <array>

#include "ops/matmul16/kernels.h"

namespace octet::ops {

namespace {

using device::Isa;

constexpr std::array<Kernel<Matmul16Function>, 5> kMatmul16 = {{
    {Isa::scalar, matmul16_scalar},
    {Isa::avx2, matmul16_avx2},
    {Isa::avx512, matmul16_avx512},
    {Isa::avx512bf16, matmul16_avx512bf16},
    {Isa::amx, matmul16_amx},
}};

constexpr std::array<Kernel<SplitPlanesFunction>, 3> kSplitPlanes = {{
    {Isa::scalar, split_planes_scalar},
    {Isa::avx2, split_planes_avx2},
    {Isa::avx512, split_planes_avx512},
}};

}  // namespace

std::span<const Kernel<Matmul16Function>> matmul16_kernels() {
  return kMatmul16;
}

std::span<const Kernel<SplitPlanesFunction>> split_planes_kernels() {
  return kSplitPlanes;
}

}  // namespace octet::ops

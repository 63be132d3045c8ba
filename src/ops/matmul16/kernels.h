// The kernels of the 16-bit product by name, for the registry and for attention, which calls the
// product of its own instruction set.
#pragma once

#include "ops/matmul16/matmul16.h"

namespace octet::ops {

Matmul16Function matmul16_scalar, matmul16_avx2, matmul16_avx512, matmul16_avx512bf16, matmul16_amx;
SplitPlanesFunction split_planes_scalar, split_planes_avx2, split_planes_avx512;

}  // namespace octet::ops

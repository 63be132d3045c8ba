// Choice of a layer's kernels from the registries.
#include "linear/kernels.h"

namespace octet::linear {

Kernels Kernels::choose(device::Isa isa) {
  return {.int8_matmul = ops::choose(ops::int8_matmul_kernels(), isa).function,
          .epilogue = ops::choose(ops::epilogue_kernels(), isa).function,
          .row_maxima = ops::choose(ops::row_maxima_kernels(), isa).function,
          .quantize_row = ops::choose(ops::quantize_row_kernels(), isa).function,
          .matmul16 = ops::choose(ops::matmul16_kernels(), isa).function,
          .split_planes = ops::choose(ops::split_planes_kernels(), isa).function,
          .matmul32 = ops::choose(ops::matmul32_kernels(), isa).function};
}

}  // namespace octet::linear

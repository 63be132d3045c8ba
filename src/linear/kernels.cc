// Choice of a layer's kernels from the registries.
#include "linear/kernels.h"

namespace octet::linear {

Kernels Kernels::choose(const device::CpuFeatures& features) {
  return {.int8_matmul = ops::choose(ops::int8_matmul_kernels(), features).function,
          .epilogue = ops::choose(ops::epilogue_kernels(), features).function,
          .row_maxima = ops::choose(ops::row_maxima_kernels(), features).function,
          .quantize_row = ops::choose(ops::quantize_row_kernels(), features).function,
          .matmul16 = ops::choose(ops::matmul16_kernels(), features).function,
          .split_planes = ops::choose(ops::split_planes_kernels(), features).function,
          .matmul32 = ops::choose(ops::matmul32_kernels(), features).function,
          .stored_maxima = ops::choose(ops::stored_maxima_kernels(), features).function,
          .pack_int8 = ops::choose(ops::pack_int8_kernels(), features).function,
          .pack16 = ops::choose(ops::pack16_kernels(), features).function,
          .widen_row = ops::choose(ops::widen_row_kernels(), features).function,
          .narrow_row = ops::choose(ops::narrow_row_kernels(), features).function};
}

}  // namespace octet::linear

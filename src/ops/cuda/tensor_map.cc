// A matrix of bytes as a GPU's copy engine knows it, from the driver.
#include "ops/cuda/tensor_map.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstring>

#include "base/error.h"

namespace octet::ops::cuda {

namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

/// The driver's function, found by name: octet is not linked with the driver.
Encode encoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function,
                                                             12000, cudaEnableDefault, &found);
#else
  const cudaError_t error =
      cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &found);
#endif
  if (error != cudaSuccess || found != cudaDriverEntryPointSuccess || function == nullptr) {
    fail("CUDA: this driver has no tensor maps; use OCTET_GPU_PRODUCT=mma");
  }
  return reinterpret_cast<Encode>(function);
}

}  // namespace

TensorMap byte_matrix(const void* base, int64_t rows, int64_t row_bytes, int box_rows) {
  static const Encode encode = encoder();
  static_assert(sizeof(CUtensorMap) == sizeof(TensorMap));
  const cuuint64_t size[2] = {static_cast<cuuint64_t>(row_bytes), static_cast<cuuint64_t>(rows)};
  const cuuint64_t stride[1] = {static_cast<cuuint64_t>(row_bytes)};
  const cuuint32_t box[2] = {kBoxBytes, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t step[2] = {1, 1};
  CUtensorMap map;
  const CUresult result =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, 2, const_cast<void*>(base), size, stride, box,
             step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) fail("CUDA: a tensor map: error {}", static_cast<int>(result));
  TensorMap bits;
  std::memcpy(&bits, &map, sizeof bits);
  return bits;
}

}  // namespace octet::ops::cuda

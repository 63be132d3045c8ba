// Asks the CUDA runtime for GPUs, where octet was built with it (OCTET_CUDA).
#include "device/gpu.h"

#if defined(OCTET_HAS_CUDA)
#include <cuda_runtime_api.h>
#endif

namespace octet::device {

#if defined(OCTET_HAS_CUDA)

namespace {

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  return cudaDeviceGetAttribute(&value, which, device) == cudaSuccess ? value : 0;
}

Gpu describe(int device) {
  Gpu gpu;
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) return gpu;
  gpu.name = properties.name;
  gpu.capability_major = properties.major;
  gpu.capability_minor = properties.minor;
  gpu.multiprocessors = properties.multiProcessorCount;
  gpu.memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  gpu.cache_bytes = properties.l2CacheSize;
  const double kilohertz = attribute(cudaDevAttrMemoryClockRate, device);
  const double bus_bits = attribute(cudaDevAttrGlobalMemoryBusWidth, device);
  gpu.memory_bytes_per_s = 2 * kilohertz * 1000 * bus_bits / 8;  // double data rate
  return gpu;
}

}  // namespace

GpuList list_gpus() {
  GpuList list;
  if (int driver = 0; cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    list.why_none = "no NVIDIA driver";
    return list;
  }
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    list.why_none = cudaGetErrorString(error);
    return list;
  }
  for (int device = 0; device < count; ++device) list.gpus.push_back(describe(device));
  if (count == 0) list.why_none = "no CUDA-capable device is detected";
  return list;
}

#else

GpuList list_gpus() {
  return {.gpus = {}, .why_none = "this build has no CUDA"};
}

#endif

}  // namespace octet::device

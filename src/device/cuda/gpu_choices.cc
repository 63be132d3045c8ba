// What is still chosen by the environment, for want of a measurement.
#include "device/gpu_choices.h"

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace octet::device {

namespace {

/// True when `name` is set to `chosen`, false when it is not set or set to `other`.
bool choice(const char* name, std::string_view chosen, std::string_view other) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == 0 || value == other) return false;
  if (value != chosen) fail("{}={}: it can be {} or {}", name, value, other, chosen);
  return true;
}

int capability_major() {
  int device = 0;
  int major = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  return major;
}

}  // namespace

bool kernels_overlap() {
  static const bool wanted = choice("OCTET_GPU_OVERLAP", "1", "0");
  return wanted && capability_major() >= 9;
}

bool warpgroup_products() {
  static const bool wanted = choice("OCTET_GPU_PRODUCT", "wgmma", "mma");
  return wanted && capability_major() == 9;
}

}  // namespace octet::device

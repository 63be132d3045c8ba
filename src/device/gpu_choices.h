// What is still chosen by the environment, for want of a measurement. Only in builds with CUDA.
#pragma once

namespace octet::device {

/// OCTET_GPU_OVERLAP=1: a kernel may start while the one before it ends, on compute capability 9.0
/// and newer (programmatic dependent launch). Throws Error for a value that is not 0 or 1.
bool kernels_overlap();

/// OCTET_GPU_PRODUCT=wgmma: int8 products of many rows by warpgroup instructions, on compute
/// capability 9.0; `mma`, the default, by those of a warp. Throws Error for another value.
bool warpgroup_products();

}  // namespace octet::device

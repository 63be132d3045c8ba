// What is still chosen by the environment, for want of a measurement. Only in builds with CUDA.
#pragma once

namespace octet::device {

/// OCTET_GPU_OVERLAP=1: a kernel may start while the one before it ends, on compute capability 9.0
/// and newer (programmatic dependent launch). Throws Error for a value that is not 0 or 1.
bool kernels_overlap();

}  // namespace octet::device

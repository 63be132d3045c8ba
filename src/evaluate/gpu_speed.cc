// What a build without CUDA says of a GPU's speed.
#include "evaluate/gpu_speed.h"

#if !defined(OCTET_HAS_CUDA)

#include "base/error.h"

namespace octet::evaluate {

namespace {

[[noreturn]] void no_cuda() {
  fail("this build of octet has no CUDA: use --device cpu, or build with -DOCTET_CUDA=ON");
}

}  // namespace

GpuCeilings measure_gpu(int, const std::function<void()>&) {
  no_cuda();
}
std::vector<MatmulVariant> gpu_table5_variants(int, const std::vector<int>&) {
  no_cuda();
}
std::vector<MatmulSpeed> gpu_matmul_speed(device::Cpu&, int, const MatmulSpeedOptions&,
                                          const Roofline&) {
  no_cuda();
}

}  // namespace octet::evaluate

#endif

// What a build without CUDA says to a model that is to move to a GPU.
#include "model/gpu_model.h"

#if !defined(OCTET_HAS_CUDA)

#include "base/error.h"

namespace octet::model {

std::unique_ptr<GpuModel> make_gpu_model(int, const Architecture&, const linear::Precision&,
                                         const Weights&, int64_t) {
  fail("this build of octet has no CUDA: use --device cpu, or build with -DOCTET_CUDA=ON");
}

}  // namespace octet::model

#endif

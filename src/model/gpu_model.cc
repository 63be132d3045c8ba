// Which models GPUs run, and what a build without CUDA says.
#include "model/gpu_model.h"

#include <fmt/core.h>

#include "base/error.h"

namespace octet::model {

std::string reason_against_gpu(const Architecture& architecture,
                               const linear::Precision& precision) {
  if (architecture.experts_per_token > 0) return "models with experts";
  if (architecture.head_dim % 2 != 0) return "heads of an odd size";
  if (linear::is_zeropoint(precision.method) ||
      linear::has_tensor_wise_activations(precision.method)) {
    return fmt::format("--method {}", linear::name(precision.method));
  }
  if (linear::decomposes(precision) && precision.outliers == linear::OutlierMode::batch) {
    return "--outliers batch";
  }
  return {};
}

}  // namespace octet::model

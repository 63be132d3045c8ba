// A model's weights on a GPU and the forward passes over them.
#pragma once

#include <memory>

#include "model/model.h"

namespace octet::model {

/// Why a model cannot run on a GPU ("models with experts"), or empty.
std::string reason_against_gpu(const Architecture& architecture,
                               const linear::Precision& precision);

/// Lives beside the Weights it was made from, whose small vectors it goes on reading.
class GpuModel {
 public:
  virtual ~GpuModel() = default;

  /// As Model::forward and Model::encode; the layers' cache is on the GPU. `hidden`
  /// [rows, hidden_size] is what the layers on the CPU, if there are any, have made of the step.
  virtual void forward(device::Cpu& cpu, const Step& step, KvCache& cache,
                       tensor::MatrixView<const float> hidden,
                       tensor::MatrixView<float> logits) = 0;
  virtual void encode(device::Cpu& cpu, const Step& step, KvCache& cache) = 0;
  /// Bytes on the GPU of the weights and of everything that steps reuse.
  virtual int64_t bytes() const = 0;
  virtual int64_t first_layer() const = 0;
};

/// Copies the weights of the layers from `first_layer` on to GPU `index`. Throws Error when it has
/// no room, or in builds without CUDA.
std::unique_ptr<GpuModel> make_gpu_model(int index, const Architecture& architecture,
                                         const linear::Precision& precision, const Weights& weights,
                                         int64_t first_layer);

}  // namespace octet::model

// A model's weights in the memory of a GPU.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "device/gpu_memory.h"
#include "linear/cuda/gpu_linear.h"
#include "model/model.h"

namespace octet::model::cuda {

struct GpuNorm {
  device::GpuArray<float> weight;
  device::GpuArray<float> bias;
};

/// Found by the host's objects, which must stay where they are. The layers from `first_layer` on
/// and the head; with 0 all there is.
class GpuWeights {
 public:
  GpuWeights(const Weights& weights, int64_t first_layer, device::Stream stream);

  const linear::GpuLinear& operator[](const linear::Linear& linear) const {
    return linears_.at(&linear);
  }
  /// Null weights where the model has no such norm.
  const GpuNorm& operator[](const Norm& norm) const { return norms_.at(norm.weight.data()); }
  const device::GpuArray<float>& positions() const { return positions_; }
  const device::GpuArray<float>& position_bias(Stack stack) const {
    return stack == Stack::encoder ? encoder_position_bias_ : position_bias_;
  }
  int64_t bytes() const;

 private:
  void add(const linear::Linear& linear);
  void add(const Norm& norm);
  void add(const Layer& layer);

  device::Stream stream_;
  device::GpuArray<std::byte> panels_;  ///< of the layer on its way
  std::unordered_map<const linear::Linear*, linear::GpuLinear> linears_;
  std::unordered_map<const float*, GpuNorm> norms_;
  device::GpuArray<float> positions_;
  device::GpuArray<float> position_bias_;
  device::GpuArray<float> encoder_position_bias_;
};

}  // namespace octet::model::cuda

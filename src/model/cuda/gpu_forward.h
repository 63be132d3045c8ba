// The operations of a forward pass on a GPU.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/cuda/weights.h"
#include "model/forward.h"
#include "model/gpu_size.h"
#include "ops/attention/cuda.h"
#include "ops/cuda/product.h"

namespace octet::model::cuda {

/// A check of a step, for the message when it fails.
struct CheckPlace {
  int64_t layer = -1;
  std::string what;  ///< the linear layer whose input is not finite; empty: the cache
};

/// Buffers of a pass on the GPU, reused from step to step. A captured graph holds their addresses,
/// so `moved` says when one changed.
class GpuScratch {
 public:
  GpuScratch(const Architecture& architecture, int multiprocessors);

  /// Grows what is too small; notes when an array moved.
  void make_room(const GpuStepSizes& sizes, device::Stream stream);
  int64_t bytes() const;

  /// True when an address changed since it was asked last.
  bool take_moved() {
    const bool own = std::exchange(moved, false);
    return std::exchange(linear.moved, false) || own;
  }

  bool moved = false;
  device::GpuArray<float> hidden;
  device::GpuArray<float> normed;
  device::GpuArray<float> qkv;
  device::GpuArray<float> attention;
  device::GpuArray<float> up;
  device::GpuArray<float> embedded;
  device::GpuArray<float> gathered;  ///< rows whose logits are wanted
  device::GpuArray<float> logits;
  device::GpuArray<float> partial;  ///< of attention
  device::GpuArray<uint32_t> attention_counters;
  device::GpuArray<float> cos;  ///< [positions][rotary_dim / 2]
  device::GpuArray<float> sin;
  int64_t rope_positions = 0;
  int64_t rope_context = 0;
  std::vector<float> rope_frequencies;
  device::GpuArray<float> slopes;
  linear::GpuWorkspace linear;
  // The step's own data.
  device::PinnedArray<float> host_hidden;  ///< what layers on the CPU have made
  device::PinnedArray<int32_t> host_step;
  device::GpuArray<int32_t> step;
  device::GpuArray<unsigned long long> error;
  device::PinnedArray<unsigned long long> host_error;
};

class GpuForwardPass final : public ForwardPass {
 public:
  GpuForwardPass(device::Cpu& cpu, const Architecture& architecture, const Weights& weights,
                 const GpuWeights& gpu, const Step& step, KvCache& cache, GpuScratch& scratch,
                 device::Stream stream, Stack stack, bool embeds);

  /// Writes the step's data into page-locked memory and starts its copy.
  void send_step();
  /// Instead of embed(): the host's rows, what layers there have made.
  void send_hidden(tensor::MatrixView<const float> hidden);
  /// Every slice is one row, whose logits are wanted: a step that a graph can replay.
  bool is_decode() const { return decode_; }
  int64_t attention_splits() const { return extent_.splits; }
  const std::vector<CheckPlace>& places() const { return places_; }
  /// Throws the Error that an error mark stands for.
  [[noreturn]] void fail_check(unsigned long long mark,
                               const std::vector<CheckPlace>& places) const;

 private:
  tensor::MatrixView<float> embedded(int64_t rows) override;
  void look_up_tokens(tensor::MatrixView<float> out) override;
  void add_positions() override;
  tensor::MatrixView<float> normalised(const Norm& norm, tensor::MatrixView<float> x,
                                       tensor::MatrixView<float> out) override;
  tensor::MatrixView<float> made(Input& input) override;
  /// Codes are made without leaving the rows anywhere.
  void keep_made(Input& input) override { made(input); }
  using ForwardPass::apply;
  void apply(const linear::Linear& linear, const Input& x, tensor::MatrixView<float> out,
             const float* residual, int64_t residual_stride, int64_t layer, std::string_view what,
             std::span<const int64_t> calls) override;
  void place_keys_and_values(const Layer& layer, int64_t index, int64_t cache_layer) override;
  void place_source_keys_and_values(tensor::MatrixView<float> keys, int64_t index,
                                    int64_t cache_layer) override;
  void attend(int64_t index, int64_t cache_layer, Sees sees) override;
  /// Nobody observes a GPU.
  Input observed(const PassObserver& /*observer*/, int64_t /*index*/, LinearId /*id*/,
                 const Input& x) override {
    return x;
  }
  void try_heads(const PassObserver&, const Layer&, int64_t, Input&) override {}
  void mix_experts(const Layer& layer, tensor::MatrixView<float> x, int64_t index,
                   const PassObserver& observer) override;
  void add_to_hidden(tensor::MatrixView<const float> x) override;
  void scale(tensor::MatrixView<float> x, float factor) override;
  void gather_logit_rows() override;
  void cap_logits(tensor::MatrixView<float> logits) override;

  void rotary_table(device::Cpu& cpu);
  const int32_t* of_step(int64_t offset) const { return scratch_.step.data() + offset; }
  ops::cuda::StepRowsView step_rows() const;
  ops::cuda::CacheView cache_view(int64_t cache_layer) const;
  ops::cuda::RowSource source_of(const Input& input) const;
  ops::cuda::RowSource norm_source(const Norm& norm, tensor::MatrixView<const float> x) const;
  ops::cuda::ErrorMark check(int64_t layer, std::string_view what);

  const GpuWeights& gpu_;
  KvCache& cache_;
  GpuScratch& scratch_;
  device::Stream stream_;
  std::vector<ops::cuda::AttentionTile> tiles_;
  std::vector<CheckPlace> places_;
  StepExtent extent_;
  StepLayout layout_;
  bool decode_;
};

}  // namespace octet::model::cuda

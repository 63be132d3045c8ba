// The operations of a forward pass on a CPU.
#pragma once

#include <cstdint>
#include <vector>

#include "model/forward.h"
#include "ops/activation/activation.h"
#include "ops/norm/norm.h"
#include "ops/rope/rope.h"

namespace octet::model {

/// Buffers of a forward pass, reused from step to step; one per pass in flight.
class Scratch {
 public:
  tensor::Array<float> hidden;          ///< [rows, hidden_size], the residual stream
  tensor::Array<float> normed;          ///< [rows, hidden_size]
  tensor::Array<float> observed;        ///< [rows, inputs], a linear layer's own input
  tensor::Array<float> qkv;             ///< [rows, query_size + 2 kv_size]
  tensor::Array<float> attention;       ///< [rows, query_size]
  tensor::Array<float> up;              ///< [rows, intermediate_size or twice that when gated]
  tensor::Array<float> gathered;        ///< [rows, hidden_size], an expert's rows
  tensor::Array<float> computed;        ///< [rows, hidden_size], what it makes of them
  tensor::Array<float> mixed;           ///< [rows, hidden_size], the experts' weighted sum
  tensor::Array<float> expert_weights;  ///< [rows, experts]
  tensor::Array<float> embedded;        ///< [rows, embedding_size] beside an embedding projection
  tensor::Array<float> cos;             ///< [rows, rotary_dim / 2]
  tensor::Array<float> sin;
  std::vector<float> rope_frequencies;  ///< [rotary_dim / 2] of a base that grows
  linear::Workspace linear;
};

class CpuForwardPass final : public ForwardPass {
 public:
  CpuForwardPass(device::Cpu& cpu, const Architecture& architecture, const Weights& weights,
                 const Step& step, KvCache& cache, Scratch& scratch, Stack stack);

 private:
  struct AttentionTile {
    int64_t slice;
    int64_t first_row;  ///< row of the step
    int64_t rows;
  };

  tensor::MatrixView<float> embedded(int64_t rows) override;
  void look_up_tokens(tensor::MatrixView<float> out) override;
  void add_positions() override;
  tensor::MatrixView<float> normalised(const Norm& norm, tensor::MatrixView<float> x,
                                       tensor::MatrixView<float> out) override;
  tensor::MatrixView<float> made(Input& input) override;
  /// A CPU leaves the rows in their place anyway.
  void keep_made(Input& /*input*/) override {}
  using ForwardPass::apply;
  void apply(const linear::Linear& linear, const Input& x, tensor::MatrixView<float> out,
             const float* residual, int64_t residual_stride, int64_t layer, std::string_view what,
             std::span<const int64_t> calls) override;
  void place_keys_and_values(const Layer& layer, int64_t index, int64_t cache_layer) override;
  void place_source_keys_and_values(tensor::MatrixView<float> keys, int64_t index,
                                    int64_t cache_layer) override;
  void attend(int64_t index, int64_t cache_layer, Sees sees) override;
  Input observed(const PassObserver& observer, int64_t index, LinearId id, const Input& x) override;
  void try_heads(const PassObserver& observer, const Layer& layer, int64_t index,
                 Input& x) override;
  void mix_experts(const Layer& layer, tensor::MatrixView<float> x, int64_t index,
                   const PassObserver& observer) override;
  void add_to_hidden(tensor::MatrixView<const float> x) override;
  void scale(tensor::MatrixView<float> x, float factor) override;
  void gather_logit_rows() override;
  void cap_logits(tensor::MatrixView<float> logits) override;

  void plan_attention();
  void rotary_angles();
  void normalise_row(const Norm& norm, const float* x, int64_t columns, float* out);
  void make_row(const Input& input, int64_t row);
  void prepare_heads(const Layer& layer, int64_t row);
  void normalise_heads(const Norm& norm, float* x, int64_t size);
  /// False when a value does not fit the cache.
  bool write_cache(int64_t row, int64_t cache_layer, const float* keys);

  device::Cpu& cpu_;
  KvCache& cache_;
  Scratch& scratch_;
  ops::NormFunction* norm_;
  ops::RopeFunction* rope_;
  ops::ActivationFunction* activation_;
  std::vector<AttentionTile> tiles_;
};

}  // namespace octet::model

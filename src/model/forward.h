// One pass over the layers for a step's rows, layer by layer.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"
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

/// Runs a step: embed(), then layer() for each layer, then logits(). The loader runs the same
/// pass while it packs the layers one by one.
class ForwardPass {
 public:
  ForwardPass(device::Cpu& cpu, const Architecture& architecture, const Weights& weights,
              const Step& step, KvCache& cache, Scratch& scratch, Stack stack);

  void embed();
  /// Runs layer `index` on keys and values of `cache_layer` (the same but while loading).
  void layer(int64_t index, int64_t cache_layer, const PassObserver& observer);
  /// After an encoder's layers: the norm of its output.
  void finish_source();
  /// Writes the keys and values that decoder layer `index` makes of the encoder's output into the
  /// slices' pages.
  void place_source(int64_t index, int64_t cache_layer, const PassObserver& observer);
  /// The final norm and what follows it, of the rows `step.logit_rows` only.
  void logits(tensor::MatrixView<float> out);
  /// The input of lm_head for all rows (norm and projection done), [rows, embedding_size].
  tensor::MatrixView<float> final_hidden();

 private:
  struct AttentionTile {
    int64_t slice;
    int64_t first_row;  ///< row of the step
    int64_t rows;
  };

  /// What a linear layer reads, [rows, columns], and what still has to make each row when it does.
  struct Input {
    enum class Pending : uint8_t { nothing, norm, activation };
    tensor::MatrixView<float> rows;
    Pending pending = Pending::nothing;
    const Norm* norm = nullptr;  ///< of `source`, for Pending::norm
    tensor::MatrixView<const float> source = {};
  };

  void plan_attention();
  void rotary_angles();
  void add_positions();
  tensor::MatrixView<float> normalised(const Norm& norm, tensor::MatrixView<float> x,
                                       tensor::MatrixView<float> out);
  void normalise_row(const Norm& norm, const float* x, int64_t columns, float* out);
  /// What a block reads: the residual stream, in pre-norm models its norm.
  Input block_input(const Norm& norm);
  void make_row(const Input& input, int64_t row);
  /// Makes all rows now, for those who read them beside a linear layer.
  tensor::MatrixView<float> made(Input& input);
  /// What a linear layer reads when an observer has seen (and changed) it; without one, x.
  Input observed(const PassObserver& observer, int64_t index, LinearId id, const Input& x);
  void try_heads(const PassObserver& observer, const Layer& layer, int64_t index, Input& x);
  /// hidden += linear(x) with the norms that the description puts there.
  void add_block_output(const linear::Linear& linear, const Input& x, const Norm& output_norm,
                        const Norm& post_norm, int64_t layer, std::string_view what);
  void attention_block(const Layer& layer, int64_t index, int64_t cache_layer,
                       const PassObserver& observer);
  void cross_attention_block(const Layer& layer, int64_t index, int64_t cache_layer,
                             const PassObserver& observer);
  void feed_forward_block(const Layer& layer, int64_t index, const PassObserver& observer);
  /// up(x) in up_, whose front columns act(gate) · up will be.
  Input activated(const linear::Linear& up, const Input& x, int64_t index, LinearId id,
                  std::span<const int64_t> calls);
  void mix_experts(const Layer& layer, tensor::MatrixView<float> x, int64_t index,
                   const PassObserver& observer);
  void place_keys_and_values(const Layer& layer, int64_t index, int64_t cache_layer);
  /// From projected to what attention reads: clipped, normalised, turned to their position.
  void prepare_heads(const Layer& layer, int64_t row);
  void normalise_heads(const Norm& norm, float* x, int64_t size);
  void cap_logits(tensor::MatrixView<float> logits);
  /// What attention sees: positions up to the row's own, all of the slice, or the encoder's.
  enum class Sees : uint8_t { earlier, slice, source };
  void attend(int64_t index, int64_t cache_layer, Sees sees);
  /// False when a value does not fit the cache.
  bool write_cache(const Slice& slice, int64_t row, int64_t cache_layer, const float* keys);
  [[noreturn]] void fail_cache(int64_t index) const;
  void apply(const linear::Linear& linear, const Input& x, tensor::MatrixView<float> out,
             const float* residual, int64_t residual_stride, int64_t layer, std::string_view what) {
    apply(linear, x, out, residual, residual_stride, layer, what, slice_rows_);
  }
  /// `calls`: first row of each sequence's share of x.
  void apply(const linear::Linear& linear, const Input& x, tensor::MatrixView<float> out,
             const float* residual, int64_t residual_stride, int64_t layer, std::string_view what,
             std::span<const int64_t> calls);
  std::string place(int64_t layer) const;
  void add_to_hidden(tensor::MatrixView<const float> x);

  device::Cpu& cpu_;
  const Architecture& architecture_;
  const Weights& weights_;
  const Step& step_;
  KvCache& cache_;
  Scratch& scratch_;
  Stack stack_;
  ops::NormFunction* norm_;
  ops::RopeFunction* rope_;
  ops::ActivationFunction* activation_;
  int64_t rows_;
  std::vector<int64_t> slice_rows_;  ///< first row of each slice
  std::vector<AttentionTile> tiles_;
  tensor::MatrixView<float> hidden_;
  tensor::MatrixView<float> normed_;
  tensor::MatrixView<float> qkv_;
  tensor::MatrixView<float> attention_;
  tensor::MatrixView<float> up_;
};

}  // namespace octet::model

// One pass over the layers for a step's rows, layer by layer: the order of operations that the
// description asks for. Where and how the operations run is a subclass's business.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace octet::model {

/// Runs a step: embed(), then layer() for each layer, then logits(). The loader runs the same
/// pass while it packs the layers one by one.
class ForwardPass {
 public:
  ForwardPass(const ForwardPass&) = delete;
  ForwardPass& operator=(const ForwardPass&) = delete;
  virtual ~ForwardPass() = default;

  void embed();
  /// Runs layer `index` on keys and values of `cache_layer` (the same but while loading).
  void layer(int64_t index, int64_t cache_layer, const PassObserver& observer);
  /// [rows, hidden_size] what the layers have made so far, in the memory of whoever ran them.
  tensor::MatrixView<const float> hidden() const { return hidden_; }
  /// After an encoder's layers: the norm of its output.
  void finish_source();
  /// Writes the keys and values that decoder layer `index` makes of the encoder's output into the
  /// slices' pages.
  void place_source(int64_t index, int64_t cache_layer, const PassObserver& observer);
  /// The final norm and what follows it, of the rows `step.logit_rows` only.
  void logits(tensor::MatrixView<float> out);
  /// The input of lm_head for all rows (norm and projection done), [rows, embedding_size].
  tensor::MatrixView<float> final_hidden();

 protected:
  /// What a linear layer reads, [rows, columns], and what still has to make each row when it does.
  struct Input {
    enum class Pending : uint8_t { nothing, norm, activation };
    tensor::MatrixView<float> rows;
    Pending pending = Pending::nothing;
    const Norm* norm = nullptr;  ///< of `source`, for Pending::norm
    tensor::MatrixView<const float> source = {};
  };
  /// What attention sees: positions up to the row's own, all of the slice, or the encoder's.
  enum class Sees : uint8_t { earlier, slice, source };

  /// Checks the step. The subclass gives hidden_ to up_ their memory.
  ForwardPass(const Architecture& architecture, const Weights& weights, const Step& step,
              Stack stack);

  // The operations. Matrices are in the memory of whoever runs them.
  /// A matrix of embedding_size columns beside the others.
  virtual tensor::MatrixView<float> embedded(int64_t rows) = 0;
  /// Rows of the token embedding, scaled.
  virtual void look_up_tokens(tensor::MatrixView<float> out) = 0;
  virtual void add_positions() = 0;
  /// norm(x) in out, or x where there is no norm.
  virtual tensor::MatrixView<float> normalised(const Norm& norm, tensor::MatrixView<float> x,
                                               tensor::MatrixView<float> out) = 0;
  /// Makes all rows now, for those who read them beside a linear layer.
  virtual tensor::MatrixView<float> made(Input& input) = 0;
  /// Before the linear layer that makes them: somebody reads the rows after it.
  virtual void keep_made(Input& input) = 0;
  /// out = linear(x) + residual; `calls`: first row of each sequence's share of x.
  virtual void apply(const linear::Linear& linear, const Input& x, tensor::MatrixView<float> out,
                     const float* residual, int64_t residual_stride, int64_t layer,
                     std::string_view what, std::span<const int64_t> calls) = 0;
  void apply(const linear::Linear& linear, const Input& x, tensor::MatrixView<float> out,
             const float* residual, int64_t residual_stride, int64_t layer, std::string_view what) {
    apply(linear, x, out, residual, residual_stride, layer, what, slice_rows_);
  }
  /// From projected to what attention reads, and keys and values into the cache.
  virtual void place_keys_and_values(const Layer& layer, int64_t index, int64_t cache_layer) = 0;
  /// Keys and values made of an encoder's output into the cache.
  virtual void place_source_keys_and_values(tensor::MatrixView<float> keys, int64_t index,
                                            int64_t cache_layer) = 0;
  virtual void attend(int64_t index, int64_t cache_layer, Sees sees) = 0;
  /// What a linear layer reads when an observer has seen (and changed) it; without one, x.
  virtual Input observed(const PassObserver& observer, int64_t index, LinearId id,
                         const Input& x) = 0;
  /// Shows observer.heads what comes of its trials.
  virtual void try_heads(const PassObserver& observer, const Layer& layer, int64_t index,
                         Input& x) = 0;
  virtual void mix_experts(const Layer& layer, tensor::MatrixView<float> x, int64_t index,
                           const PassObserver& observer) = 0;
  virtual void add_to_hidden(tensor::MatrixView<const float> x) = 0;
  virtual void scale(tensor::MatrixView<float> x, float factor) = 0;
  /// Moves row step_.logit_rows[i] of hidden_ to row i.
  virtual void gather_logit_rows() = 0;
  virtual void cap_logits(tensor::MatrixView<float> logits) = 0;

  /// up(x) in up_, whose front columns act(gate) · up will be.
  Input activated(const linear::Linear& up, const Input& x, int64_t index, LinearId id,
                  std::span<const int64_t> calls);
  /// "encoder layer 3", for messages.
  std::string place(int64_t layer) const;
  [[noreturn]] void fail_input(int64_t layer, std::string_view what, int64_t row) const;
  [[noreturn]] void fail_cache(int64_t index) const;

  /// Index of the slice that a row belongs to.
  size_t slice_of(int64_t row) const {
    return static_cast<size_t>(std::ranges::upper_bound(slice_rows_, row) - slice_rows_.begin() -
                               1);
  }

  const Architecture& architecture_;
  const Weights& weights_;
  const Step& step_;
  Stack stack_;
  int64_t rows_;
  std::vector<int64_t> slice_rows_;      ///< first row of each slice
  tensor::MatrixView<float> hidden_;     ///< [rows, hidden_size], the residual stream
  tensor::MatrixView<float> normed_;     ///< [rows, hidden_size]
  tensor::MatrixView<float> qkv_;        ///< [rows, query_size + 2 kv_size]
  tensor::MatrixView<float> attention_;  ///< [rows, query_size]
  tensor::MatrixView<float> up_;         ///< [rows, intermediate_size or twice that when gated]

 private:
  /// What a block reads: the residual stream, in pre-norm models its norm.
  Input block_input(const Norm& norm);
  /// hidden += linear(x) with the norms that the description puts there.
  void add_block_output(const linear::Linear& linear, const Input& x, const Norm& output_norm,
                        const Norm& post_norm, int64_t layer, std::string_view what);
  void attention_block(const Layer& layer, int64_t index, int64_t cache_layer,
                       const PassObserver& observer);
  void cross_attention_block(const Layer& layer, int64_t index, int64_t cache_layer,
                             const PassObserver& observer);
  void feed_forward_block(const Layer& layer, int64_t index, const PassObserver& observer);
};

}  // namespace octet::model

// A loaded model and its forward pass over a batch of ragged rows.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/cpu.h"
#include "linear/linear.h"
#include "model/architecture.h"
#include "model/kv_cache.h"
#include "tensor/owner.h"
#include "tensor/view.h"

namespace octet::model {

/// Consecutive positions of one sequence inside a step. Its earlier positions are in the cache.
struct Slice {
  int64_t rows = 0;
  int64_t first_position = 0;
  const int32_t* pages = nullptr;  ///< page table of the sequence, long enough for its last row
  /// What a decoder attends to beside itself: pages that encode() filled, and their positions.
  const int32_t* source_pages = nullptr;
  int64_t source_positions = 0;
};

/// One call of the forward pass: a lone prompt, a chunk of one, a batch of decodes or any mixture.
struct Step {
  std::span<const int32_t> tokens;  ///< [rows of all slices]
  std::span<const Slice> slices;
  std::span<const int64_t> logit_rows;  ///< rows of the step whose logits are wanted, ascending
  int activation_bits = 16;
  /// The most positions that the sequences may come to have: Rope::frequencies chooses by it.
  int64_t context = 0;
};

struct Norm {
  tensor::Array<float> weight;
  tensor::Array<float> bias;
  bool present() const { return weight.size() > 0; }
};

struct FeedForward {
  linear::Linear up;
  linear::Linear down;
};

struct Layer {
  Norm attention_norm;
  linear::Linear qkv;
  Norm query_norm;  ///< [head_dim], [query_size] or, of keys, [kv_size]
  Norm key_norm;
  linear::Linear attention_output;
  Norm attention_output_norm;
  Norm cross_norm;
  linear::Linear cross_query;
  linear::Linear cross_key_value;
  linear::Linear cross_output;
  Norm feed_forward_norm;
  linear::Linear up;
  linear::Linear down;
  linear::Linear router;
  std::vector<FeedForward> experts;
  Norm feed_forward_output_norm;
};

/// A layer's norms of [hidden_size] values with their members of LayerNames and their names in
/// octet's own files.
struct NormMember {
  std::string_view name;
  Norm Layer::*norm;
  NormNames LayerNames::*names;
};
inline constexpr std::array kNormMembers = {
    NormMember{"attention_norm", &Layer::attention_norm, &LayerNames::attention_norm},
    NormMember{"attention_output_norm", &Layer::attention_output_norm,
               &LayerNames::attention_output_norm},
    NormMember{"cross_norm", &Layer::cross_norm, &LayerNames::cross_norm},
    NormMember{"feed_forward_norm", &Layer::feed_forward_norm, &LayerNames::feed_forward_norm},
    NormMember{"feed_forward_output_norm", &Layer::feed_forward_output_norm,
               &LayerNames::feed_forward_output_norm},
};

/// The packed weights of a model.
struct Weights {
  std::shared_ptr<const linear::Linear> token_embedding;  ///< 16/32-bit; rows are tokens
  tensor::Array<float> position_embedding;                ///< [rows, hidden_size], or empty
  std::unique_ptr<linear::Linear> embedding_projection;   ///< or null
  Norm embedding_norm;
  std::vector<Layer> layers;
  std::vector<Layer> encoder_layers;
  Norm encoder_norm;
  tensor::Array<float> position_bias;          ///< [heads, 2·relative_reach + 1], or empty
  tensor::Array<float> encoder_position_bias;  ///< likewise
  Norm final_norm;
  std::unique_ptr<linear::Linear> output_projection;  ///< or null
  std::shared_ptr<const linear::Linear> lm_head;      ///< token_embedding itself when shared

  std::vector<Layer>& layers_of(Stack stack) {
    return stack == Stack::encoder ? encoder_layers : layers;
  }
  const std::vector<Layer>& layers_of(Stack stack) const {
    return stack == Stack::encoder ? encoder_layers : layers;
  }
  int64_t bytes() const;
};

/// Buffers of a forward pass, reused from step to step; one per pass in flight.
class Scratch;
class GpuModel;

/// What looks into a pass between its operations; each part may be absent. Called on the thread
/// that runs the pass.
struct PassObserver {
  /// `input` is what the linear layer is about to read, [rows, inputs]: a copy for it alone, so
  /// that a change of it changes what this layer makes and nothing else. Loading packs the layer
  /// here.
  std::function<void(int64_t layer, LinearId linear, tensor::MatrixView<float> input)> input = {};
  /// Every expert sees every row, not only those that its router gives it.
  bool rows_for_every_expert = false;
  /// Sets of columns of the input of q, k and v. Each is set to zero on trial, and `heads` sees the
  /// queries, keys and values [rows, query_size + 2 kv_size] that come of it, as attention would
  /// read them; the pass goes on with those of the whole input. Sequences must begin in this step.
  std::vector<std::vector<int32_t>> trials = {};
  std::function<void(int64_t layer, size_t trial, tensor::MatrixView<const float> qkv)> heads = {};
};

/// "layers.3.": what the names of a layer's weights begin with in octet's own files.
std::string layer_prefix(Stack stack, int64_t layer);

class Model {
 public:
  Model(Architecture architecture, linear::Precision precision, Weights weights);
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  const Architecture& architecture() const { return *architecture_; }
  /// Other tokens than the description's end a text.
  void set_end_tokens(std::vector<int32_t> ids) { architecture_->end_tokens = std::move(ids); }
  const linear::Precision& precision() const { return precision_; }
  /// On a GPU, the sizes of what has moved there and not the values.
  const Weights& weights() const { return *weights_; }
  ops::CacheType cache_type() const;

  /// Moves the layers from `first_layer` on, and the head, to GPU `index`; with 0 everything, an
  /// encoder too. Steps begin on the CPU where layers are left there, and their rows cross once.
  /// The layers' caches must be in the same places. Throws Error when the GPU has no room, or
  /// cannot run such a model: then nothing has moved.
  void move_to_gpu(int index, int64_t first_layer = 0);
  bool on_gpu() const { return gpu_ != nullptr; }
  /// Decoder layers from here on are on a GPU; the number of layers where none is.
  int64_t first_gpu_layer() const;
  /// Bytes on the GPU beside the caches.
  int64_t gpu_bytes() const;

  /// Runs the encoder of an encoder-decoder over whole sources (slices of all their positions;
  /// nobody's logits) and leaves in their pages what the decoder attends to.
  void encode(device::Cpu& cpu, const Step& step, KvCache& cache);

  /// Runs the step: writes the cache and logits[logit_rows.size(), vocabulary_size].
  /// Every sequence's logits are the same bits whatever else is in the step and however its
  /// prompt is cut into steps (but for methods that depend on the call). Throws Error naming the
  /// layer when an activation is not finite or does not fit the cache. Nothing observes a GPU.
  void forward(device::Cpu& cpu, const Step& step, KvCache& cache, tensor::MatrixView<float> logits,
               const PassObserver& observer = {});

 private:
  std::unique_ptr<Architecture> architecture_;
  linear::Precision precision_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<Scratch> scratch_;
  std::unique_ptr<GpuModel> gpu_;
};

}  // namespace octet::model

// Which devices a model would need: its layers, KV cache and buffers placed over equal devices.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/architecture.h"
#include "model/size.h"

namespace octet::runtime {

/// Sequences that run together, and the positions each has room for.
struct Workload {
  int64_t context = 0;
  int64_t sequences = 1;
  bool all_logits = false;   ///< of every row, as when a text is scored
  bool both_widths = false;  ///< llm-int8: requests choose the bits of their activations
  int64_t most_rows = 0;     ///< of a step; 0: what a Session makes of a long prompt
};

/// Whose layouts and buffers a plan counts.
enum class DeviceKind : uint8_t { cpu, gpu };

/// What one device holds. Layers are counted through the encoder's and then the decoder's.
struct DevicePlan {
  bool embeddings = false;
  int64_t first_layer = 0;
  int64_t layers = 0;
  bool head = false;
  int64_t weights_bytes = 0;
  int64_t kv_cache_bytes = 0;
  int64_t buffer_bytes = 0;  ///< of a step; with the head, the logits too

  int64_t bytes() const { return weights_bytes + kv_cache_bytes + buffer_bytes; }
};

/// What is placed as a whole: the embeddings, a layer, or the head.
struct Unit;

/// Places whole layers, in their order, over devices of equal memory. The first device has the
/// embeddings and the last one the lm_head; where the two share their weights, it has a copy. Steps
/// are those of a Session: prompts in chunks, then one row for each sequence.
class Planner {
 public:
  Planner(model::Architecture architecture, model::ModelShape shape,
          DeviceKind kind = DeviceKind::cpu);

  const model::ModelBytes& weights() const { return weights_; }

  /// The contents of `devices` devices, the fullest of which is as empty as can be.
  std::vector<DevicePlan> place(const Workload& workload, int64_t devices) const;

  /// What a GPU holds with the last `layers` decoder layers and the head; with all layers the
  /// encoder and the embeddings too. Of a planner for GPUs.
  DevicePlan last_layers(const Workload& workload, int64_t layers) const;
  int64_t decoder_layers() const { return architecture_.layers; }
  /// Whether a model's layers can be divided between CPU and GPU: but for encoder-decoders.
  bool splits() const { return !architecture_.encoder_decoder(); }
  linear::Method method() const { return shape_.precision.method; }

  /// The fewest devices of `memory_bytes` each; nothing when one layer alone is too much.
  std::optional<int64_t> devices_needed(const Workload& workload, int64_t memory_bytes) const;

  /// The most sequences of this context, and the longest context of so many sequences, that fit
  /// `devices` devices; 0 when nothing does. A context ends where the model's positions do.
  int64_t most_sequences(int64_t context, int64_t devices, int64_t memory_bytes) const;
  int64_t longest_context(int64_t sequences, int64_t devices, int64_t memory_bytes) const;

 private:
  std::vector<Unit> units(const Workload& workload) const;
  /// Of a step, without its logits.
  int64_t buffer_bytes(const Workload& workload) const;
  int64_t gpu_buffer_bytes(const Workload& workload, int64_t first_layer) const;
  int64_t logits_bytes(const Workload& workload) const;
  DevicePlan one_device(const Workload& workload) const;
  bool fits(const Workload& workload, int64_t devices, int64_t memory_bytes) const;

  model::Architecture architecture_;
  model::ModelShape shape_;
  DeviceKind kind_;
  model::ModelBytes weights_;
};

}  // namespace octet::runtime

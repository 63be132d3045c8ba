// The memory pages that hold keys and values, and the view of a sequence's pages that attention
// reads. Which sequence owns which page is the runtime's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "device/gpu_memory.h"
#include "linear/precision.h"
#include "model/architecture.h"
#include "ops/attention/attention.h"
#include "tensor/owner.h"

namespace octet::model {

/// f32 for fp32, f16 otherwise.
ops::CacheType cache_type(linear::Method method);

/// Bytes of one page for one layer.
int64_t layer_page_bytes(const Architecture& architecture, ops::CacheType type);

/// A pool of pages; each holds 64 positions of one sequence for all layers:
/// [layers][kv_heads][keys, values]. The layers from a certain one on may have their part of every
/// page on a GPU.
class KvCache {
 public:
  /// All on the CPU.
  KvCache(const Architecture& architecture, ops::CacheType type, int64_t pages);
  /// Layers from `first_gpu_layer` on in the memory of the current GPU.
  KvCache(const Architecture& architecture, ops::CacheType type, int64_t pages,
          int64_t first_gpu_layer);
  const ops::CacheHeadLayout& layout() const { return layout_; }
  int64_t pages() const { return pages_; }
  /// From one page to the next where the layer's part of them lies.
  int64_t page_bytes(int64_t layer) const { return part_of(layer) * layer_bytes_; }
  int64_t bytes() const { return pages_ * layers_ * layer_bytes_; }
  /// On a CPU for `layers` layers instead of the architecture's.
  static KvCache of_layers(const Architecture& architecture, ops::CacheType type, int64_t pages,
                           int64_t layers);

  /// Data of page 0 for this layer and KV head; page i lies i · page_bytes(layer) further on.
  std::byte* head(int64_t layer, int64_t kv_head);

 private:
  KvCache(const Architecture& architecture, ops::CacheType type, int64_t pages, int64_t layers,
          int64_t first_gpu_layer);
  /// Layers that share the layer's memory.
  int64_t part_of(int64_t layer) const {
    return layer < first_gpu_layer_ ? first_gpu_layer_ : layers_ - first_gpu_layer_;
  }

  ops::CacheHeadLayout layout_;
  int64_t pages_;
  int64_t layers_;
  int64_t first_gpu_layer_;
  int64_t layer_bytes_;  ///< of a page
  tensor::Array<std::byte> memory_;
  device::GpuArray<std::byte> gpu_memory_;
};

/// Pages needed for `positions` positions.
inline int64_t pages_for(int64_t positions) {
  return (positions + ops::kPagePositions - 1) / ops::kPagePositions;
}

}  // namespace octet::model

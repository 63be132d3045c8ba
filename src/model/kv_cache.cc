// The memory pages that hold keys and values.
#include "model/kv_cache.h"

namespace octet::model {

ops::CacheType cache_type(linear::Method method) {
  return method == linear::Method::fp32 ? ops::CacheType::f32 : ops::CacheType::f16;
}

int64_t layer_page_bytes(const Architecture& architecture, ops::CacheType type) {
  return architecture.kv_heads * ops::CacheHeadLayout{type, architecture.head_dim}.bytes();
}

KvCache::KvCache(const Architecture& architecture, ops::CacheType type, int64_t pages)
    : KvCache(architecture, type, pages, architecture.layers) {}

KvCache::KvCache(const Architecture& architecture, ops::CacheType type, int64_t pages,
                 int64_t first_gpu_layer)
    : KvCache(architecture, type, pages, architecture.layers, first_gpu_layer) {}

KvCache KvCache::of_layers(const Architecture& architecture, ops::CacheType type, int64_t pages,
                           int64_t layers) {
  return KvCache(architecture, type, pages, layers, /*first_gpu_layer=*/layers);
}

KvCache::KvCache(const Architecture& architecture, ops::CacheType type, int64_t pages,
                 int64_t layers, int64_t first_gpu_layer)
    : layout_{type, architecture.head_dim},
      pages_(pages),
      layers_(layers),
      first_gpu_layer_(first_gpu_layer),
      layer_bytes_(layer_page_bytes(architecture, type)),
      memory_(pages * first_gpu_layer * layer_bytes_),
      gpu_memory_(pages * (layers - first_gpu_layer) * layer_bytes_) {}

std::byte* KvCache::head(int64_t layer, int64_t kv_head) {
  const bool on_cpu = layer < first_gpu_layer_;
  std::byte* base = on_cpu ? memory_.data() : gpu_memory_.data();
  const int64_t in_part = on_cpu ? layer : layer - first_gpu_layer_;
  return base + in_part * layer_bytes_ + kv_head * layout_.bytes();
}

}  // namespace octet::model

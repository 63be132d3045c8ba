// The memory pages that hold keys and values.
#include "model/kv_cache.h"

namespace octet::model {

ops::CacheType cache_type(linear::Method method) {
  return method == linear::Method::fp32 ? ops::CacheType::f32 : ops::CacheType::f16;
}

int64_t layer_page_bytes(const Architecture& architecture, ops::CacheType type) {
  return architecture.kv_heads * ops::CacheHeadLayout{type, architecture.head_dim}.bytes();
}

KvCache::KvCache(const Architecture& architecture, ops::CacheType type, int64_t pages, bool on_gpu)
    : KvCache(architecture, type, pages, architecture.layers, on_gpu) {}

KvCache KvCache::of_layers(const Architecture& architecture, ops::CacheType type, int64_t pages,
                           int64_t layers) {
  return KvCache(architecture, type, pages, layers, /*on_gpu=*/false);
}

KvCache::KvCache(const Architecture& architecture, ops::CacheType type, int64_t pages,
                 int64_t layers, bool on_gpu)
    : layout_{type, architecture.head_dim},
      kv_heads_(architecture.kv_heads),
      pages_(pages),
      page_bytes_(layers * layer_page_bytes(architecture, type)),
      memory_(on_gpu ? 0 : pages * page_bytes_),
      gpu_memory_(on_gpu ? pages * page_bytes_ : 0) {}

std::byte* KvCache::head(int64_t layer, int64_t kv_head) {
  std::byte* base = gpu_memory_.size() > 0 ? gpu_memory_.data() : memory_.data();
  return base + (layer * kv_heads_ + kv_head) * layout_.bytes();
}

}  // namespace octet::model

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
                 int64_t layers)
    : layout_{type, architecture.head_dim},
      kv_heads_(architecture.kv_heads),
      pages_(pages),
      page_bytes_(layers * layer_page_bytes(architecture, type)),
      memory_(pages * page_bytes_) {}

std::byte* KvCache::head(int64_t layer, int64_t kv_head) {
  return memory_.data() + (layer * kv_heads_ + kv_head) * layout_.bytes();
}

}  // namespace octet::model

// Mistral: LLaMA whose attention sees a window of the last positions.
#include "model/families/families.h"
#include "model/families/llama.h"

namespace octet::model {

Architecture describe_mistral(const Config& config) {
  Architecture a = llama_like(config, {});
  a.layer_windows = layer_windows(config, a.layers, 4096, [](int64_t) { return true; });
  return a;
}

}  // namespace octet::model

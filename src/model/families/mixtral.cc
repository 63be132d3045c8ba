// Mixtral: LLaMA whose feed-forward block is one of several experts, two of which see each token.
#include "base/error.h"
#include "model/families/families.h"
#include "model/families/llama.h"
#include "model/families/naming.h"

namespace octet::model {

Architecture describe_mixtral(const Config& config) {
  Architecture a = llama_like(config, {.rope_theta = 1e6});
  a.norm_epsilon = static_cast<float>(config.number_or("rms_norm_eps", 1e-5));
  a.layer_windows = layer_windows(config, a.layers, 0, [](int64_t) { return true; });
  a.experts_per_token = config.count_or("num_experts_per_tok", 2);
  const int64_t experts = config.count_or("num_local_experts", 8);
  if (a.experts_per_token > experts || experts > 4096) {
    fail("{}: {} of {} experts for each token", config.file(), a.experts_per_token, experts);
  }
  change_layers(a, config, [&](LayerNames& names, const std::string& base) {
    const std::string moe = base + "block_sparse_moe.";
    names.up = names.down = {};
    names.router = {{matrix(moe + "gate", experts, false)},
                    a.hidden_size,
                    Split::replicated,
                    Storage::sixteen_bit};
    for (int64_t e = 0; e < experts; ++e) {
      const std::string expert = moe + "experts." + std::to_string(e) + ".";
      names.experts.push_back(
          {by_columns({matrix(expert + "w1", a.intermediate_size, false),
                       matrix(expert + "w3", a.intermediate_size, false)},
                      a.hidden_size),
           by_rows(matrix(expert + "w2", a.hidden_size, false), a.intermediate_size)});
    }
  });
  return a;
}

}  // namespace octet::model

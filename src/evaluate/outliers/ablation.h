// What a model loses when features of its hidden states are set to zero (LLM.int8(), Sec. 4).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "device/cpu.h"
#include "evaluate/perplexity.h"
#include "evaluate/windows.h"
#include "model/model.h"

namespace octet::evaluate {

/// What a model does without some dimensions.
struct Ablated {
  std::vector<int32_t> dimensions;  ///< set to zero
  /// Mean over layers, heads and positions of attention's largest probability. As in the paper each
  /// layer is tried by itself: its q/k/v read zeros there, and what comes before is whole.
  double top_attention = 0;
  /// Zeros in the inputs of q/k/v and of the first feed-forward layer, in all layers at once.
  Perplexity perplexity;
};

struct Ablation {
  Ablated whole;                ///< nothing is zero
  Ablated without;              ///< the dimensions asked for
  std::vector<Ablated> random;  ///< as many others, drawn by a seed each

  double random_top_attention() const;
  double random_perplexity() const;
};

struct AblationOptions {
  std::vector<int32_t> dimensions = {};  ///< to set to zero; none: only `whole` is measured
  std::vector<int32_t> not_random = {};  ///< never drawn, besides `dimensions`
  int random_sets = 3;
  uint64_t seed = 0;
  int activation_bits = 16;
  /// Called with the share done. Throwing from it stops the ablation.
  std::function<void(double share)> progress = {};
};

/// Throws Error when a dimension lies outside the hidden state, or too few are left to draw.
Ablation ablate(device::Cpu& cpu, model::Model& model, std::span<const Window> windows,
                const AblationOptions& options);

}  // namespace octet::evaluate

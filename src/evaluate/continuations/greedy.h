// The likeliest continuations of prompts, many at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "device/cpu.h"
#include "model/model.h"

namespace octet::evaluate {

/// Stands behind the last token where the model ended the text.
inline constexpr int32_t kEndOfText = -1;

struct GreedyOptions {
  int64_t tokens = 256;  ///< at most, of each continuation
  int activation_bits = 16;
  /// Called with the share done, 0 to 1. Throwing from it stops the run.
  std::function<void(double share)> progress = {};
};

/// Of each prompt (at least one token) what the model goes on with, the likeliest token each time,
/// to its own end or to so many tokens. Prompts run beside each other, which changes no bit; where
/// a result depends on the whole call, and of an encoder-decoder, one by one.
std::vector<std::vector<int32_t>> greedy_continuations(
    model::Model& model, device::Cpu& cpu, const std::vector<std::vector<int32_t>>& prompts,
    const GreedyOptions& options);

}  // namespace octet::evaluate

// A text for measurements on a model when there is none at hand: what the model writes itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/loading.h"
#include "cli/options.h"

namespace octet::cli {

/// At least `tokens` tokens, in pieces of at most `window`: each goes on from one of our prompts of
/// prose as the 16-bit model draws its tokens, unchanged probabilities and a seed of its own. The
/// same every time. Throws Error for models without a tokenizer or with windows too short for the
/// prompts.
std::vector<std::string> own_text(device::Cpu& cpu, const CommonOptions& common, int64_t window,
                                  int64_t tokens);

}  // namespace octet::cli

// The flags that say how tokens are drawn.
#pragma once

#include <CLI/App.hpp>

#include "runtime/sampler.h"

namespace octet::cli {

/// The flags of `sampling` but for the seed, and --ignore-eos.
void add_sampling_options(CLI::App& app, runtime::Sampling& sampling, bool& ignore_eos);

}  // namespace octet::cli

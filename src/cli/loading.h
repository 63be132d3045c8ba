// Loading a model for a command: progress, Ctrl-C, and what there is to say about its outliers.
#pragma once

#include <functional>
#include <vector>

#include "cli/options.h"
#include "device/cpu.h"
#include "model/load/load.h"
#include "runtime/plan.h"

namespace octet::cli {

struct LoadedModel {
  model::Loaded loaded;
  double seconds = 0;
};

/// Other models than the one at options.model as it is.
struct LoadVariant {
  std::string random_config = {};  ///< a config.json: random weights of its shape instead
  model::PlantWhileLoading plant = {};
  bool report_kept = true;
  /// What the command runs, one after the other: a GPU must have room for each.
  std::function<std::vector<runtime::Workload>(const model::Architecture&)> workloads = {};
};

/// Loads options.model with a progress bar and moves it to where --device has it: of a GPU that was
/// asked for, all of it; with `auto` the last layers that have room. Then warns of inputs that keep
/// more than 5% of their columns in 16 bits (all of them are listed with -v). Throws Interrupted
/// after Ctrl-C, Error when the model is more than the GPU has room for: before anything is loaded
/// where that is known.
LoadedModel load_model(device::Cpu& cpu, const CommonOptions& options,
                       const linear::Precision& precision, const LoadVariant& variant = {});

/// The same in 32 bits, on the CPU, where a pass can be observed. Throws Error for a directory of
/// octet quantize, which has int8 weights only.
LoadedModel load_float_model(device::Cpu& cpu, const CommonOptions& options);

/// Share of the columns of all linear inputs that are kept in 16 bits.
double kept_share(const model::Loaded& loaded);

/// The largest context to use: -c, else the model's own limited to `otherwise`. Throws Error when
/// the model's positions cannot reach as far as -c asks.
int64_t context_size(const CommonOptions& options, const model::Architecture& architecture,
                     int64_t otherwise);

/// The same without a check or a warning, for planning.
int64_t planned_context(const CommonOptions& options, const model::Architecture& architecture,
                        int64_t otherwise);

/// The tokenizer; throws Error saying why there is none, and what `instead` would do.
const tokenizer::Tokenizer& need_tokenizer(const model::Loaded& loaded,
                                           const CommonOptions& options, std::string_view instead);

}  // namespace octet::cli

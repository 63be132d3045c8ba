// Greedy continuations of prompts by several methods, compared with those of a reference.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/loading.h"
#include "cli/options.h"
#include "evaluate/continuations/checks.h"
#include "evaluate/continuations/comparison.h"
#include "evaluate/continuations/prompts.h"

namespace octet::cli {

/// What a method made of all prompts.
struct Continuations {
  linear::Precision precision;
  std::vector<std::vector<int32_t>> tokens = {};
  std::vector<std::string> texts = {};
  std::vector<evaluate::Check> checks = {};
  std::vector<evaluate::Comparison> comparisons = {};  ///< with the reference
  std::vector<evaluate::KindSummary> summaries = {};
};

/// The reference first, then the methods.
struct ContinuationsRun {
  std::vector<evaluate::Prompt> prompts;
  int64_t tokens = 0;  ///< at most, of each continuation
  std::vector<Continuations> methods = {};
};

/// Fills run.methods. Throws Error for models without a tokenizer and prompts that do not fit.
void run_continuations(device::Cpu& cpu, const CommonOptions& common, linear::Method reference,
                       const std::vector<linear::Precision>& precisions, ContinuationsRun& run);

}  // namespace octet::cli

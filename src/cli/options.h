// The flags that the commands share, and what they stand for in the rooms below.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/cpu.h"
#include "linear/precision.h"
#include "model/load/load.h"

namespace octet::cli {

struct CommonOptions {
  std::string model;
  std::string method = "llm-int8";
  float threshold = 6;
  linear::KindThresholds kind_thresholds;
  std::string outliers = "kept";
  std::optional<int> activation_bits;
  model::LoadOptions::Asked asked;
  std::string skip_modules = "lm_head";
  std::optional<int> threads;
  std::string device = "auto";
  std::string memory_limit;  ///< empty: none
  std::optional<std::string> isa;
  std::optional<int64_t> context;
  uint64_t seed = 0;
  bool json = false;
  bool verbose = false;
};

/// Which of the shared flags have an effect in a command; the others are accepted there, so that
/// scripts can pass one set everywhere, but left out of its --help.
struct Relevant {
  bool precision = true;
  bool method_list = false;  ///< --method takes several, and "all"
  bool device = true;
  const char* context = nullptr;  ///< what --ctx-size says it is
  bool seed = true;
};
void add_common_options(CLI::App& app, CommonOptions& options, const Relevant& relevant);

/// Of all methods, as --method takes them.
std::vector<std::string> method_names();

/// A check that a number lies in [low, high]; NaN does not.
CLI::Validator number_in(double low, double high);

/// "a,b" → {"a", "b"}; throws UsageError when a part is empty. `flag` is for the message.
std::vector<std::string> split_list(std::string_view text, std::string_view flag);
/// The same for integers ≥ 0 that fit T = int32_t or int64_t.
template <typename T>
std::vector<T> split_numbers(std::string_view text, std::string_view flag);

/// The precision of `method`, with the threshold, outlier mode and activation bits of `options`.
/// The bits are those asked for where the method is llm-int8 (16 by default), else the method's.
linear::Precision precision_of(const CommonOptions& options, linear::Method method);
/// The one --method. Throws UsageError when --activation-bits was given to another than llm-int8.
linear::Precision single_precision(const CommonOptions& options);

/// The precisions of a --method list. "all": Table 1's rows with 8-bit activations, the 16-bit
/// baselines, llm-int8 at 16 bits. Throws UsageError when --activation-bits fits none of them.
std::vector<linear::Precision> precisions_of(const CommonOptions& options);

/// The bits in which a method's linear layers see their inputs: what JSON results carry.
int activation_bits_of(const linear::Precision& precision);

model::LoadOptions load_options(const CommonOptions& options, const linear::Precision& precision);

/// N of --device cuda:N; nothing for cpu and auto. Throws UsageError for other names.
std::optional<int> asked_gpu(const CommonOptions& options);

/// The bytes of --memory-limit. Throws UsageError when they are none.
std::optional<int64_t> memory_limit_of(const CommonOptions& options);

/// The CPU with the threads and instruction set asked for. Throws Error for devices and instruction
/// sets that this build or machine lacks.
device::Cpu open_cpu(const CommonOptions& options);

}  // namespace octet::cli

// Declaring the shared flags and turning their values into options of the rooms below.
#include "cli/options.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "cli/memory_size.h"
#include "device/cpu_features.h"
#include "device/gpu.h"
#include "device/thread_team.h"

namespace octet::cli {
namespace {

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  names.reserve(device::kIsas.size());
  for (const device::Isa isa : device::kIsas) names.emplace_back(device::name(isa));
  return names;
}

constexpr const char* kHidden = "";

/// Accepts "all" or a list of methods; its description shows the choices as CLI11's own would.
CLI::Validator method_list() {
  std::string description = "{all";
  for (const std::string& method : method_names()) description += "," + method;
  return CLI::Validator(
      [](std::string& value) {
        if (value == "all") return std::string();
        for (const std::string& method : split_list(value, "--method"))
          if (!linear::parse_method(method)) return "'" + method + "' is no method";
        return std::string();
      },
      description + "}");
}

float parse_threshold(const std::string& text) {
  constexpr double kLargest = 1e30;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != '\0' || !(number >= 0 && number <= kLargest))
    throw CLI::ValidationError("--threshold", "'" + text + "' is no number from 0 on");
  return static_cast<float>(number);
}

/// "6", "6,down=20" or "down=20".
void parse_thresholds(const std::string& text, CommonOptions& options) {
  options.threshold = CommonOptions{}.threshold;
  options.kind_thresholds = {};
  std::vector<std::string> parts;
  try {
    parts = split_list(text, "--threshold");
  } catch (const UsageError& error) {  // what parsing throws is reported with a hint to --help
    throw CLI::ValidationError(error.what());
  }
  for (const std::string& part : parts) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos) {
      options.threshold = parse_threshold(part);
      continue;
    }
    const std::string kind_name = part.substr(0, equals);
    const auto kind = linear::parse_layer_kind(kind_name);
    if (!kind)
      throw CLI::ValidationError("--threshold",
                                 "'" + kind_name + "' is not a kind of layer: qkv, o, up or down");
    options.kind_thresholds[static_cast<size_t>(*kind)] = parse_threshold(part.substr(equals + 1));
  }
}

void add_precision_options(CLI::App& app, CommonOptions& options, const Relevant& relevant) {
  const char* const group = relevant.precision ? "Precision" : kHidden;
  CLI::Option* method =
      app.add_option("--method", options.method,
                     relevant.method_list ? "Arithmetic of the linear layers; several with commas"
                                          : "Arithmetic of the linear layers");
  const auto asked = [](bool& flag) { return [&flag](const std::string&) { flag = true; }; };
  method->group(group)->capture_default_str()->type_name("METHOD")->each(
      asked(options.asked.method));
  if (relevant.method_list) {
    method->check(method_list());
  } else {
    method->check(CLI::IsMember(method_names()));
  }
  app.add_option_function<std::string>(
         "--threshold,--llm-int8-threshold",
         [&options](const std::string& text) { parse_thresholds(text, options); },
         "Activations from here on are outliers, 0: none; kinds of layers (qkv, o, up, down) may "
         "have their own: 6,down=20")
      ->group(group)
      ->type_name("A,KIND=A,…")
      ->default_str("6")
      ->each(asked(options.asked.threshold));
  app.add_option("--outliers", options.outliers, "How outlier columns are found")
      ->group(group)
      ->capture_default_str()
      ->type_name("MODE")
      ->check(CLI::IsMember({"kept", "batch", "token"}))
      ->each(asked(options.asked.outliers));
  app.add_option("--activation-bits", options.activation_bits,
                 "llm-int8 only: two int8 planes (16, the default) or one (8, the paper's)")
      ->group(group)
      ->type_name("BITS")
      ->check(CLI::IsMember({16, 8}));
  app.add_option("--skip-modules", options.skip_modules,
                 "Modules that stay 16-bit, with commas; none: even lm_head becomes int8")
      ->group(group)
      ->type_name("NAMES")
      ->capture_default_str();
}

void add_device_options(CLI::App& app, CommonOptions& options, const Relevant& relevant) {
  const char* const group = relevant.device ? "Device" : kHidden;
  app.add_option("-t,--threads", options.threads, "Threads (default: every CPU allowed)")
      ->group(group)
      ->type_name("N")
      ->check(number_in(1, 4096));
  app.add_option("--device", options.device, "cpu, cuda[:N] or auto")
      ->group(group)
      ->type_name("DEVICE:{auto,cpu,cuda}")
      ->capture_default_str();
  app.add_option("--memory-limit", options.memory_limit,
                 "What octet may use of the GPU's memory, e.g. 24GiB (default: what is free)")
      ->group(group)
      ->type_name("SIZE");
  app.add_option("--isa", options.isa, "Force an instruction set (default: the best one here)")
      ->group(group)
      ->type_name("ISA")
      ->check(CLI::IsMember(isa_names()));
}

}  // namespace

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (linear::Method method : linear::all_methods()) names.emplace_back(linear::name(method));
  return names;
}

CLI::Validator number_in(double low, double high) {
  return CLI::Validator(
      [low, high](std::string& value) {
        char* end = nullptr;
        const double number = std::strtod(value.c_str(), &end);
        if (end == value.c_str() || *end != '\0') return "'" + value + "' is no number";
        if (number >= low && number <= high) return std::string();
        return high >= 1e18 ? fmt::format("{} must be at least {}", value, low)
                            : fmt::format("{} must lie between {} and {}", value, low, high);
      },
      "");
}

void add_common_options(CLI::App& app, CommonOptions& options, const Relevant& relevant) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("-m,--model", options.model,
                 "Hugging Face directory or name in its cache, .gguf file, or directory of octet "
                 "quantize")
      ->required()
      ->type_name("PATH");
  add_precision_options(app, options, relevant);
  add_device_options(app, options, relevant);
  app.add_option("-c,--ctx-size", options.context,
                 relevant.context != nullptr ? relevant.context : "Tokens of context")
      ->group(relevant.context != nullptr ? "Options" : kHidden)
      ->type_name("N")
      ->check(number_in(1, std::numeric_limits<int32_t>::max()));
  app.add_option("-s,--seed", options.seed, "Seed of the random numbers")
      ->group(relevant.seed ? "Options" : kHidden)
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--json", options.json, "Print one JSON object");
  app.add_flag("-v,--verbose", options.verbose, "Say more on standard error");
}

std::vector<std::string> split_list(std::string_view text, std::string_view flag) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string_view part = text.substr(begin, end - begin);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (part.empty()) throw UsageError(fmt::format("{}: an entry of '{}' is empty", flag, text));
    parts.emplace_back(part);
    begin = end + 1;
  }
  return parts;
}

template <typename T>
std::vector<T> split_numbers(std::string_view text, std::string_view flag) {
  std::vector<T> numbers;
  for (const std::string& part : split_list(text, flag)) {
    T number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error != std::errc() || end != part.data() + part.size() || number < 0)
      throw UsageError(fmt::format("{}: '{}' is no number ≥ 0 of {} bits", flag, part,
                                   std::numeric_limits<T>::digits + 1));
    numbers.push_back(number);
  }
  return numbers;
}
template std::vector<int32_t> split_numbers<int32_t>(std::string_view, std::string_view);
template std::vector<int64_t> split_numbers<int64_t>(std::string_view, std::string_view);

linear::Precision precision_of(const CommonOptions& options, linear::Method method) {
  linear::Precision precision;
  precision.method = method;
  precision.threshold = options.threshold;
  precision.kind_thresholds = options.kind_thresholds;
  precision.outliers = linear::parse_outlier_mode(options.outliers).value();
  precision.activation_bits =
      method == linear::Method::llm_int8 ? options.activation_bits.value_or(16) : 8;
  return precision;
}

linear::Precision single_precision(const CommonOptions& options) {
  const linear::Method method = linear::parse_method(options.method).value();
  if (options.activation_bits && method != linear::Method::llm_int8)
    throw UsageError(
        fmt::format("--activation-bits is for --method llm-int8 only, not for {}", options.method));
  return precision_of(options, method);
}

std::vector<linear::Precision> precisions_of(const CommonOptions& options) {
  using linear::Method;
  std::vector<linear::Precision> precisions;
  if (options.method == "all") {
    if (options.activation_bits)
      throw UsageError("--activation-bits: --method all runs llm-int8 with both widths");
    for (Method method : linear::all_methods()) {
      precisions.push_back(precision_of(options, method));
      if (linear::is_int8(method)) precisions.back().activation_bits = 8;
    }
    precisions.push_back(precision_of(options, Method::llm_int8));
    precisions.back().activation_bits = 16;
    return precisions;
  }
  bool has_llm_int8 = false;
  for (const std::string& name : split_list(options.method, "--method")) {
    precisions.push_back(precision_of(options, linear::parse_method(name).value()));
    has_llm_int8 |= precisions.back().method == Method::llm_int8;
  }
  if (options.activation_bits && !has_llm_int8)
    throw UsageError(
        fmt::format("--activation-bits is for --method llm-int8 only, not for {}", options.method));
  return precisions;
}

int activation_bits_of(const linear::Precision& precision) {
  using linear::Method;
  switch (precision.method) {
    case Method::fp32:
      return 32;
    case Method::fp16:
    case Method::bf16:
      return 16;
    case Method::llm_int8:
      return precision.activation_bits;
    default:
      return 8;
  }
}

namespace {

/// N of "cuda:N", 0 of "cuda"; nothing for other devices.
std::optional<int> gpu_of(std::string_view device) {
  if (device == "cuda") return 0;
  if (device.rfind("cuda:", 0) != 0) return std::nullopt;
  int index = 0;
  const std::string_view digits = device.substr(5);
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), index);
  if (error != std::errc() || end != digits.end() || index < 0) return std::nullopt;
  return index;
}

void check_device(const CommonOptions& options) {
  if (memory_limit_of(options) && options.device == "cpu")
    throw UsageError("--memory-limit is for GPUs: give --device cuda or auto");
  if (!asked_gpu(options)) return;
  const device::GpuList list = device::list_gpus();
  if (list.gpus.empty())
    fail("--device {}: no GPU here ({}); use --device cpu", options.device, list.why_none);
}

}  // namespace

model::LoadOptions load_options(const CommonOptions& options, const linear::Precision& precision) {
  model::LoadOptions load;
  load.precision = precision;
  load.asked = options.asked;
  load.skip_modules = split_list(options.skip_modules, "--skip-modules");
  return load;
}

std::optional<int> asked_gpu(const CommonOptions& options) {
  const std::optional<int> gpu = gpu_of(options.device);
  if (!gpu && options.device != "auto" && options.device != "cpu")
    throw UsageError(fmt::format("--device: '{}' is not cpu, cuda[:N] or auto", options.device));
  return gpu;
}

std::optional<int64_t> memory_limit_of(const CommonOptions& options) {
  if (options.memory_limit.empty()) return std::nullopt;
  return parse_memory(options.memory_limit, "--memory-limit");
}

device::Cpu open_cpu(const CommonOptions& options) {
  check_device(options);
  const int threads = options.threads.value_or(device::available_threads());
  if (!options.isa) return device::Cpu(threads);
  return device::Cpu(threads, device::parse_isa(*options.isa).value());
}

}  // namespace octet::cli

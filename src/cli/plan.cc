// octet plan: whether a model fits, and how, told from its config.json before any download.
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/loading.h"
#include "cli/memory_size.h"
#include "cli/options.h"
#include "cli/plan_report.h"
#include "cli/report.h"
#include "device/cache.h"
#include "device/gpu.h"
#include "device/gpu_memory.h"
#include "model/load/load.h"
#include "runtime/placement.h"

namespace octet::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  octet plan --config config.json --memory 24GiB
  octet plan --config bench/configs/opt-175b.json --memory 24GiB --devices 8
  octet plan -m model/ --memory 80GiB --method bf16 -c 4096 -b 8 --json
  octet plan -m model.gguf -v         (this machine's free memory; every layer)
  octet plan -m model/ --device cuda  (the free memory of its first GPU)
  octet plan --config config.json --device cuda --memory-limit 80GiB

--memory is what octet may use of each device. With --device cuda the weights are counted
as GPUs have them, otherwise as CPUs do. A GPU's context, kernels and graphs are not in
it: NVIDIA's driver takes about half a GiB beside.)";

constexpr int64_t kDefaultContext = 2048;

struct PlanCommand {
  CommonOptions common;
  std::string config;
  std::string memory;
  int64_t devices = 1;
  int64_t batch = 1;
  double kept_share = model::kAssumedKeptShare;
};

/// The methods to compare: 32-bit, 16-bit and int8, and the one asked for.
std::vector<linear::Method> compared_methods(linear::Method asked) {
  using linear::Method;
  std::vector<Method> methods = {Method::fp32, asked == Method::bf16 ? Method::bf16 : Method::fp16,
                                 Method::llm_int8};
  if (std::ranges::find(methods, asked) == methods.end()) methods.push_back(asked);
  return methods;
}

model::SizeOptions size_options(const PlanCommand& command, linear::Precision precision,
                                const std::string& format) {
  // bitsandbytes' checkpoints have no 16-bit weights to keep columns of.
  if (format == "bitsandbytes" && precision.outliers == linear::OutlierMode::kept) {
    precision.outliers = linear::OutlierMode::token;
  }
  return {.precision = precision,
          .skip_modules = load_options(command.common, precision).skip_modules,
          .kept_columns = model::kept_share(command.kept_share)};
}

runtime::DeviceKind kind_of(const PlanReport& report) {
  return report.gpu ? runtime::DeviceKind::gpu : runtime::DeviceKind::cpu;
}

/// What is known of GPU `index`: its memory where it is in this machine.
PlannedGpu planned_gpu(int index) {
  PlannedGpu gpu = {.index = index};
  const device::GpuList list = device::list_gpus();
  if (index >= std::ssize(list.gpus)) return gpu;
  device::use_gpu(index);
  const device::GpuMemory memory = device::gpu_memory();
  gpu.name = list.gpus[static_cast<size_t>(index)].name;
  gpu.total_bytes = memory.total_bytes;
  gpu.free_bytes = memory.free_bytes;
  return gpu;
}

/// Of each device: what was given by hand, else what is free.
int64_t memory_bytes(const PlanCommand& command, const PlanReport& report) {
  if (!command.memory.empty()) return parse_memory(command.memory, "--memory");
  if (const auto limit = memory_limit_of(command.common)) return *limit;
  if (!report.gpu) return device::available_memory_bytes();
  if (report.gpu->name.empty())
    fail("--device {}: no such GPU here ({}); give its memory with --memory", command.common.device,
         device::list_gpus().why_none);
  return report.gpu->free_bytes;
}

int64_t total_bytes(const std::vector<runtime::DevicePlan>& devices) {
  int64_t bytes = 0;
  for (const runtime::DevicePlan& device : devices) bytes += device.bytes();
  return bytes;
}

MethodPlan method_plan(const runtime::Planner& planner, const PlanReport& report,
                       linear::Method method, int64_t devices) {
  const auto needed = planner.devices_needed(report.workload, report.memory_bytes);
  return {.method = method,
          .weights_bytes = planner.weights().total(),
          .bytes_needed = total_bytes(planner.place(report.workload, devices)),
          .fits = needed && *needed <= devices,
          .devices_needed = needed};
}

PlanReport make_report(const PlanCommand& command, const model::Description& description) {
  const model::Architecture& architecture = description.architecture;
  const linear::Precision asked = single_precision(command.common);
  if (asked.kind_thresholds != linear::KindThresholds{})
    throw UsageError("--threshold: a plan counts all layers alike (--kept-share); give one number");
  PlanReport report;
  report.model = command.common.model;
  report.architecture = architecture;
  report.kept_share = command.kept_share;
  report.workload = {.context = context_size(command.common, architecture, kDefaultContext),
                     .sequences = command.batch};
  if (const auto gpu = asked_gpu(command.common)) report.gpu = planned_gpu(*gpu);
  report.memory_bytes = memory_bytes(command, report);
  for (const linear::Method method : compared_methods(asked.method)) {
    const linear::Precision precision =
        method == asked.method ? asked : precision_of(command.common, method);
    const model::SizeOptions options = size_options(command, precision, description.format);
    const runtime::Planner planner(architecture, model::shape_of(architecture, options),
                                   kind_of(report));
    report.methods.push_back(method_plan(planner, report, method, command.devices));
    if (method != asked.method) continue;
    if (report.gpu) runtime::check_runs_on_gpu(architecture, options.precision);
    report.chosen = report.methods.back();
    report.precision = options.precision;
    report.weights = planner.weights();
    report.devices = planner.place(report.workload, command.devices);
    if (report.gpu)
      report.gpu->layers =
          runtime::most_last_layers(planner, {&report.workload, 1}, report.memory_bytes);
    report.most_sequences =
        planner.most_sequences(report.workload.context, command.devices, report.memory_bytes);
    report.longest_context =
        planner.longest_context(command.batch, command.devices, report.memory_bytes);
  }
  return report;
}

int run_plan(PlanCommand command) {
  if (command.common.model.empty() == command.config.empty())
    throw UsageError("give one of --model and --config");
  if (!command.config.empty()) command.common.model = command.config;
  // Before reading files.
  if (!command.memory.empty()) parse_memory(command.memory, "--memory");
  if (memory_limit_of(command.common) && !command.memory.empty())
    throw UsageError("give one of --memory and --memory-limit");
  asked_gpu(command.common);
  const model::Description description = model::describe(command.common.model);
  const PlanReport report = make_report(command, description);
  if (command.common.json) {
    write_json(plan_json(report));
  } else {
    write_out(plan_text(report, command.common.verbose));
  }
  return 0;
}

}  // namespace

void add_plan(CLI::App& app, Action& action) {
  auto command = std::make_shared<PlanCommand>();
  CLI::App* sub = app.add_subcommand("plan", "Tell what fits which devices, from a config alone");
  sub->footer(kExamples);
  add_common_options(*sub, command->common,
                     {.device = false,
                      .context = "Positions of each sequence (default: the model's, at most 2048)",
                      .seed = false});
  sub->get_option("--model")->required(false);
  sub->get_option("--device")
      ->group("Options")
      ->description("cuda[:N]: count what a GPU holds (default: a CPU)");
  sub->get_option("--memory-limit")->group("Options")->description("The same as --memory");
  sub->add_option("--config", command->config, "A config.json, instead of a model")
      ->type_name("FILE");
  sub->add_option("--memory", command->memory,
                  "Memory of each device, e.g. 24GiB or 141GB (default: what is free here)")
      ->type_name("SIZE");
  sub->add_option("--devices", command->devices, "Equal devices to place whole layers on")
      ->type_name("N")
      ->capture_default_str()
      ->check(number_in(1, 4096));
  sub->add_option("-b,--batch", command->batch, "Sequences that run together")
      ->type_name("N")
      ->capture_default_str()
      ->check(number_in(1, 1 << 20));
  sub->add_option("--kept-share", command->kept_share,
                  "Share of the columns of int8 layers that stay in 16 bits")
      ->type_name("SHARE")
      ->capture_default_str()
      ->check(number_in(0, 1));
  sub->callback([command, &action] { action = [command] { return run_plan(*command); }; });
}

}  // namespace octet::cli

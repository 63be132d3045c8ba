// octet plan: whether a model fits, and how, told from its config.json before any download.
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/loading.h"
#include "cli/memory_size.h"
#include "cli/options.h"
#include "cli/plan_report.h"
#include "cli/report.h"
#include "device/cache.h"
#include "model/load/load.h"

namespace octet::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  octet plan --config config.json --memory 24GiB
  octet plan --config bench/configs/opt-175b.json --memory 24GiB --devices 8
  octet plan -m model/ --memory 80GiB --method bf16 -c 4096 -b 8 --json
  octet plan -m model.gguf -v         (this machine's free memory; every layer)

--memory is what octet may use of each device. A device's driver and other programs
take theirs beside it: an NVIDIA GPU's context about half a GiB.)";

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
  report.memory_bytes = command.memory.empty() ? device::available_memory_bytes()
                                               : parse_memory(command.memory, "--memory");
  for (const linear::Method method : compared_methods(asked.method)) {
    const linear::Precision precision =
        method == asked.method ? asked : precision_of(command.common, method);
    const model::SizeOptions options = size_options(command, precision, description.format);
    const runtime::Planner planner(architecture, options);
    report.methods.push_back(method_plan(planner, report, method, command.devices));
    if (method != asked.method) continue;
    report.chosen = report.methods.back();
    report.precision = options.precision;
    report.weights = planner.weights();
    report.devices = planner.place(report.workload, command.devices);
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
  if (!command.memory.empty()) parse_memory(command.memory, "--memory");  // before reading files
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

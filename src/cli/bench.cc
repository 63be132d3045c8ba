// octet bench: speed of a model, of single products, and of the machine, in one run.
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/bench_report.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/loading.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "device/cache.h"
#include "device/gpu_memory.h"
#include "evaluate/gpu_speed.h"
#include "evaluate/matmul_speed.h"
#include "evaluate/roofline.h"
#include "evaluate/speed.h"

namespace octet::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  octet bench -m model.gguf
  octet bench -m model/ -p 512 -n 64 -b 1,8,32 --activation-bits 8 --json
  octet bench --config bench/configs/llama-1.17b.json -t 2
  octet bench --matmul 768,1024,2048,2560,4096 --rows 1,64,512
  octet bench --roofline
  octet bench --matmul 1024,4096,8192 --rows 1,512,4096 --device cuda)";

constexpr int64_t kLargestSize = int64_t{1} << 17;  // of a matmul's inner dimension

struct BenchCommand {
  CommonOptions common;
  std::string config;
  bool roofline = false;
  std::string matmul;
  std::string rows = "1,64,512";
  int64_t prompt = 512;
  int64_t tokens = 64;
  std::string batches = "1,8,32";
  double seconds = 3;
};

std::vector<int64_t> counts(const std::string& text, std::string_view flag, int64_t largest) {
  std::vector<int64_t> numbers = split_numbers<int64_t>(text, flag);
  for (int64_t number : numbers) {
    if (number < 1 || number > largest)
      throw UsageError(fmt::format("{}: {} must lie between 1 and {}", flag, number, largest));
  }
  return numbers;
}

/// The ceilings of GPU `gpu`, or of the CPU.
Machine measure_machine(device::Cpu& cpu, std::optional<int> gpu, Progress& progress) {
  progress.update(0);
  Machine machine = {.threads = cpu.team().size(), .isa = cpu.isa(), .roofline = {}};
  if (gpu) {
    const evaluate::GpuCeilings ceilings = evaluate::measure_gpu(*gpu, throw_if_interrupted);
    machine.gpu = ceilings.name;
    machine.roofline = ceilings.roofline;
  } else {
    machine.roofline = evaluate::measure_roofline(cpu, throw_if_interrupted);
  }
  return machine;
}

int run_roofline(const BenchCommand& command) {
  device::Cpu cpu = open_cpu(command.common);
  Progress progress("measuring the machine");
  const Machine machine = measure_machine(cpu, asked_gpu(command.common), progress);
  progress.finish();
  if (command.common.json) {
    write_json(roofline_json(machine));
  } else {
    write_out(roofline_text(machine));
  }
  return 0;
}

int run_matmul(const BenchCommand& command) {
  const std::vector<int64_t> sizes = counts(command.matmul, "--matmul", kLargestSize);
  const std::vector<int64_t> rows = counts(command.rows, "--rows", 1 << 16);
  device::Cpu cpu = open_cpu(command.common);
  Progress progress("measuring products");
  const std::optional<int> gpu = asked_gpu(command.common);
  const Machine machine = measure_machine(cpu, gpu, progress);
  const auto asked = command.common.activation_bits;
  const std::vector<int> bits = asked ? std::vector<int>{*asked} : std::vector<int>{8, 16};
  const std::vector<evaluate::MatmulVariant> variants =
      gpu ? evaluate::gpu_table5_variants(*gpu, bits) : evaluate::table5_variants(bits);
  const int64_t available =
      gpu ? device::gpu_memory().free_bytes / 16 : device::available_memory_bytes() / 2;
  std::vector<MatmulReport> reports;
  for (size_t i = 0; i < sizes.size(); ++i) {
    progress.update(static_cast<double>(i) / static_cast<double>(sizes.size()));
    const evaluate::MatmulSpeedOptions options = {
        .inputs = sizes[i],
        .outputs = 4 * sizes[i],
        .rows = rows,
        .variants = variants,
        .seconds = command.seconds / 2,
        .rotate_bytes = evaluate::beyond_cache_bytes(machine.roofline.cache_bytes, available),
        .between = throw_if_interrupted};
    reports.push_back({options.inputs, options.outputs,
                       gpu ? evaluate::gpu_matmul_speed(cpu, *gpu, options, machine.roofline)
                           : evaluate::matmul_speed(cpu, options, machine.roofline)});
  }
  progress.finish();
  if (command.common.json) {
    write_json(matmul_json(machine, variants, reports));
  } else {
    write_out(matmul_text(machine, variants, reports));
  }
  return 0;
}

void check_positions(const BenchCommand& command, const model::Architecture& architecture) {
  const int64_t longest = std::max(command.prompt, command.tokens);
  if (architecture.has_position_table() && longest > architecture.max_positions)
    fail("{}: has {} learned positions; use at most -p {} and -n {}", command.common.model,
         architecture.max_positions, architecture.max_positions, architecture.max_positions);
}

int run_model(const BenchCommand& command) {
  const linear::Precision asked = single_precision(command.common);
  const std::vector<int64_t> batches = counts(command.batches, "--batch", 4096);
  device::Cpu cpu = open_cpu(command.common);
  const auto workloads = [&](const model::Architecture&) -> std::vector<runtime::Workload> {
    return {{.context = command.prompt},
            {.context = command.tokens, .sequences = *std::ranges::max_element(batches)}};
  };
  LoadedModel loaded = load_model(cpu, command.common, asked,
                                  {.random_config = command.config, .workloads = workloads});
  model::Model& model = loaded.loaded.model;
  check_positions(command, model.architecture());

  Progress progress("measuring");
  std::optional<int> gpu;
  if (model.on_gpu()) gpu = asked_gpu(command.common).value_or(0);
  const Machine machine = measure_machine(cpu, gpu, progress);
  evaluate::SpeedOptions options = {.prompt_tokens = command.prompt,
                                    .decode_tokens = command.tokens,
                                    .activation_bits = asked.activation_bits,
                                    .seed = command.common.seed};
  options.limits.seconds = command.seconds;
  options.limits.between = throw_if_interrupted;
  ModelReport report = {.model = command.config.empty() ? command.common.model : command.config,
                        .precision = model.precision(),
                        .load_s = loaded.seconds,
                        .weights_bytes = model.weights().bytes(),
                        .step_weight_bytes = evaluate::step_weight_bytes(model),
                        .prompt_tokens = command.prompt,
                        .decode_tokens = command.tokens,
                        .prompt = evaluate::prompt_speed(cpu, model, options),
                        .decode = {}};
  for (size_t i = 0; i < batches.size(); ++i) {
    progress.update(static_cast<double>(i + 1) / static_cast<double>(batches.size() + 1));
    report.decode.push_back(evaluate::decode_speed(cpu, model, batches[i], options));
  }
  progress.finish();
  if (command.common.json) {
    write_json(model_json(machine, report));
  } else {
    write_out(model_text(machine, report));
  }
  return 0;
}

int run_bench(const BenchCommand& command) {
  const int subjects =
      static_cast<int>(!command.common.model.empty()) + static_cast<int>(!command.config.empty()) +
      static_cast<int>(!command.matmul.empty()) + static_cast<int>(command.roofline);
  if (subjects != 1) throw UsageError("give one of --model, --config, --matmul and --roofline");
  if (command.roofline) return run_roofline(command);
  return command.matmul.empty() ? run_model(command) : run_matmul(command);
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto command = std::make_shared<BenchCommand>();
  CLI::App* sub = app.add_subcommand("bench", "Measure speed beside the machine's ceilings");
  sub->footer(kExamples);
  add_common_options(*sub, command->common, {});
  sub->get_option("--model")->required(false);
  sub->add_option("--config", command->config,
                  "A config.json: bench its model with pseudo-random weights")
      ->type_name("FILE");
  sub->add_flag("--roofline", command->roofline, "Measure the machine's ceilings alone");
  sub->add_option("--matmul", command->matmul,
                  "Bench linear layers d to 4d of these d, with commas (the paper's Table 5)")
      ->type_name("D,…");
  sub->add_option("--rows", command->rows, "Rows of activations of the --matmul layers")
      ->type_name("M,…")
      ->capture_default_str();
  sub->add_option("-p,--prompt", command->prompt, "Tokens of the prompt")
      ->type_name("N")
      ->capture_default_str()
      ->check(number_in(1, 1 << 20));
  sub->add_option("-n,--tokens", command->tokens, "Tokens decoded in each sequence")
      ->type_name("N")
      ->capture_default_str()
      ->check(number_in(1, 1 << 20));
  sub->add_option("-b,--batch", command->batches, "Sequences decoded at a time, with commas")
      ->type_name("B,…")
      ->capture_default_str();
  sub->add_option("--seconds", command->seconds, "Repeat each figure for about so long at most")
      ->type_name("S")
      ->capture_default_str()
      ->check(number_in(0, 3600));
  sub->callback([command, &action] { action = [command] { return run_bench(*command); }; });
}

}  // namespace octet::cli

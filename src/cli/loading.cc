// Loading with progress, and the report on kept outlier columns.
#include "cli/loading.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "device/gpu.h"
#include "model/size.h"
#include "runtime/placement.h"

namespace octet::cli {
namespace {

/// Above this share, kept columns cost noticeable speed and memory.
constexpr double kManyKept = 0.05;

/// Positions that a GPU must have room for when a command says nothing else.
constexpr int64_t kPlannedContext = 4096;

double share_of(const model::KeptShare& input) {
  return input.columns == 0 ? 0 : static_cast<double>(input.kept) / input.columns;
}

void report_kept(const model::Loaded& loaded, bool verbose) {
  if (verbose) {
    for (const model::KeptShare& input : loaded.kept)
      fmt::print(stderr, "octet: {}layer {} {}: {} of {} columns kept in 16 bits ({:.2f}%)\n",
                 input.stack == model::Stack::encoder ? "encoder " : "", input.layer,
                 model::name(input.linear), input.kept, input.columns, share_of(input) * 100);
  }
  const auto worst = std::ranges::max_element(loaded.kept, {}, share_of);
  if (worst == loaded.kept.end() || share_of(*worst) <= kManyKept) return;
  const auto many =
      std::ranges::count_if(loaded.kept, [](auto& input) { return share_of(input) > kManyKept; });
  fmt::print(stderr,
             "octet: warning: {} of {} linear inputs keep more than 5% of their columns in 16 bits "
             "(most: layer {} {}, {:.1f}%){}\n",
             many, loaded.kept.size(), worst->layer, model::name(worst->linear),
             share_of(*worst) * 100, verbose ? "" : "; -v lists them");
}

/// What octet may use of the GPU that --device means; nothing where it means a CPU.
std::optional<runtime::GpuRoom> room_of(const CommonOptions& options) {
  if (options.device == "cpu") return std::nullopt;
  const std::optional<int> asked = asked_gpu(options);
  if (asked) return runtime::gpu_room(*asked, memory_limit_of(options));
  if (device::list_gpus().gpus.empty()) return std::nullopt;
  try {
    return runtime::gpu_room(0, memory_limit_of(options));
  } catch (const Error& error) {
    if (options.verbose) fmt::print(stderr, "octet: on the CPU: {}\n", error.what());
    return std::nullopt;
  }
}

std::vector<runtime::Workload> workloads_of(const CommonOptions& options,
                                            const LoadVariant& variant,
                                            const model::Architecture& architecture) {
  if (variant.workloads) return variant.workloads(architecture);
  return {{.context = planned_context(options, architecture, kPlannedContext)}};
}

/// Refuses what cannot fit even if no column has to be kept in 16 bits. Converted checkpoints are
/// used in place and bring their own precision: they are looked at once they are loaded.
void refuse_before_loading(const CommonOptions& options, const linear::Precision& precision,
                           const LoadVariant& variant, const runtime::GpuRoom& room) {
  const model::Description description =
      model::describe(variant.random_config.empty() ? options.model : variant.random_config);
  if (description.format == "octet" || description.format == "bitsandbytes") return;
  const model::Architecture& architecture = description.architecture;
  runtime::check_runs_on_gpu(architecture, precision);
  const model::ModelShape shape =
      model::shape_of(architecture, {.precision = precision,
                                     .skip_modules = load_options(options, precision).skip_modules,
                                     .kept_columns = model::kept_share(0)});
  const runtime::Planner planner(architecture, shape, runtime::DeviceKind::gpu);
  runtime::check_fits(planner, workloads_of(options, variant, architecture), room);
}

void place_model(const CommonOptions& options, const LoadVariant& variant,
                 const runtime::GpuRoom& room, model::Model& model) {
  const runtime::Placement placement =
      runtime::place(model, workloads_of(options, variant, model.architecture()), room,
                     /*whole=*/asked_gpu(options).has_value());
  if (options.verbose)
    fmt::print(stderr, "octet: {}\n", runtime::describe(placement, model.architecture(), room));
}

}  // namespace

LoadedModel load_model(device::Cpu& cpu, const CommonOptions& options,
                       const linear::Precision& precision, const LoadVariant& variant) {
  const std::optional<runtime::GpuRoom> room = room_of(options);
  if (room && asked_gpu(options)) refuse_before_loading(options, precision, variant, *room);
  model::LoadOptions load = load_options(options, precision);
  load.plant = variant.plant;
  Progress progress(fmt::format("loading ({})", linear::name(precision.method)));
  load.progress = [&progress](double share) {
    throw_if_interrupted();
    progress.update(share);
  };
  const auto start = std::chrono::steady_clock::now();
  LoadedModel result{variant.random_config.empty()
                         ? model::load(cpu, options.model, load)
                         : model::load_random(cpu, variant.random_config, load),
                     0};
  if (room) place_model(options, variant, *room, result.loaded.model);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  progress.finish();
  throw_if_interrupted();
  if (variant.report_kept) report_kept(result.loaded, options.verbose);
  return result;
}

LoadedModel load_float_model(device::Cpu& cpu, const CommonOptions& options) {
  CommonOptions on_cpu = options;
  on_cpu.device = "cpu";
  LoadedModel model = load_model(cpu, on_cpu, precision_of(options, linear::Method::fp32));
  const linear::Method method = model.loaded.model.precision().method;
  if (method != linear::Method::fp32) {
    fail("{}: was quantised with --method {}, this needs 32 bits; give the original checkpoint",
         options.model, linear::name(method));
  }
  return model;
}

double kept_share(const model::Loaded& loaded) {
  int64_t kept = 0;
  int64_t columns = 0;
  for (const model::KeptShare& input : loaded.kept) {
    kept += input.kept;
    columns += input.columns;
  }
  return columns == 0 ? 0 : static_cast<double>(kept) / static_cast<double>(columns);
}

int64_t planned_context(const CommonOptions& options, const model::Architecture& architecture,
                        int64_t otherwise) {
  const int64_t trained = architecture.max_positions;
  return options.context.value_or(trained > 0 ? std::min(trained, otherwise) : otherwise);
}

int64_t context_size(const CommonOptions& options, const model::Architecture& architecture,
                     int64_t otherwise) {
  const int64_t trained = architecture.max_positions;
  if (!options.context) return planned_context(options, architecture, otherwise);
  const int64_t asked = *options.context;
  if (trained > 0 && asked > trained) {
    if (architecture.has_position_table())
      fail("--ctx-size {}: {} has {} positions; use at most -c {}", asked, options.model, trained,
           trained);
    fmt::print(stderr, "octet: warning: -c {} exceeds the {} positions the model was trained for\n",
               asked, trained);
  }
  return asked;
}

const tokenizer::Tokenizer& need_tokenizer(const model::Loaded& loaded,
                                           const CommonOptions& options, std::string_view instead) {
  if (loaded.tokenizer == nullptr)
    fail(
        "{}: no tokenizer ({}); {}", options.model,
        loaded.tokenizer_problem.empty() ? "the checkpoint carries none" : loaded.tokenizer_problem,
        instead);
  return *loaded.tokenizer;
}

}  // namespace octet::cli

// Placing a model's layers on a GPU and a CPU.
#include "runtime/placement.h"

#include <algorithm>

#include "base/error.h"
#include "device/gpu_memory.h"
#include "model/gpu_model.h"

namespace octet::runtime {

namespace {

/// Beside what octet allocates: kernels that CUDA loads when they first run, and graphs.
constexpr int64_t kSparedBytes = int64_t{256} << 20;

double gibibytes(int64_t bytes) {
  return static_cast<double>(bytes) / 0x1p30;
}

std::string size(int64_t bytes) {
  constexpr int64_t kSmall = int64_t{1} << 28;
  return bytes < kSmall ? fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 0x1p20)
                        : fmt::format("{:.2f} GiB", gibibytes(bytes));
}

}  // namespace

GpuRoom gpu_room(int gpu, std::optional<int64_t> limit_bytes) {
  device::use_gpu(gpu);
  device::limit_gpu_memory(gpu, limit_bytes.value_or(0));
  if (limit_bytes) {
    const int64_t left = *limit_bytes - device::gpu_use(gpu).bytes;
    return {.gpu = gpu, .bytes = std::max<int64_t>(0, left), .limited = true};
  }
  const int64_t free = device::gpu_memory().free_bytes;
  return {.gpu = gpu, .bytes = std::max<int64_t>(0, free - kSparedBytes), .limited = false};
}

DevicePlan plan_last_layers(const Planner& planner, std::span<const Workload> workloads,
                            int64_t layers) {
  OCTET_CHECK(!workloads.empty());
  DevicePlan plan = planner.last_layers(workloads.front(), layers);
  for (const Workload& workload : workloads.subspan(1)) {
    const DevicePlan other = planner.last_layers(workload, layers);
    plan.kv_cache_bytes = std::max(plan.kv_cache_bytes, other.kv_cache_bytes);
    plan.buffer_bytes = std::max(plan.buffer_bytes, other.buffer_bytes);
  }
  return plan;
}

int64_t most_last_layers(const Planner& planner, std::span<const Workload> workloads,
                         int64_t bytes) {
  const int64_t all = planner.decoder_layers();
  const int64_t fewest = planner.splits() ? 1 : all;
  for (int64_t layers = all; layers >= fewest; --layers) {
    if (plan_last_layers(planner, workloads, layers).bytes() <= bytes) return layers;
  }
  return 0;
}

void check_runs_on_gpu(const model::Architecture& architecture,
                       const linear::Precision& precision) {
  const std::string reason = model::reason_against_gpu(architecture, precision);
  if (!reason.empty()) fail("{} cannot run on a GPU yet; use --device cpu", reason);
}

void check_fits(const Planner& planner, std::span<const Workload> workloads, const GpuRoom& room) {
  const DevicePlan plan = plan_last_layers(planner, workloads, planner.decoder_layers());
  if (plan.bytes() <= room.bytes) return;
  const int64_t layers = most_last_layers(planner, workloads, room.bytes);
  std::string advice;
  if (!linear::is_int8(planner.method())) advice += ", --method llm-int8";
  advice += layers > 0 ? fmt::format(", or --device auto, which runs {} of {} layers there", layers,
                                     planner.decoder_layers())
                       : ", or --device cpu";
  fail(
      "the model needs {} on cuda:{} (weights {}, KV cache {}, buffers {}), {} {}: use a smaller "
      "--ctx-size or batch{}",
      size(plan.bytes()), room.gpu, size(plan.weights_bytes), size(plan.kv_cache_bytes),
      size(plan.buffer_bytes), room.limited ? "--memory-limit is" : "where octet can have",
      size(room.bytes), advice);
}

Placement place(model::Model& model, std::span<const Workload> workloads, const GpuRoom& room,
                bool whole) {
  if (whole) check_runs_on_gpu(model.architecture(), model.precision());
  Placement placement;
  if (const std::string reason = model::reason_against_gpu(model.architecture(), model.precision());
      !reason.empty()) {
    placement.problem = fmt::format("{} cannot run on a GPU yet", reason);
    return placement;
  }
  const Planner planner(model.architecture(), model::shape_of(model), DeviceKind::gpu);
  if (whole) check_fits(planner, workloads, room);
  placement.gpu_layers = most_last_layers(planner, workloads, room.bytes);
  if (placement.gpu_layers == 0) {
    placement.problem =
        fmt::format("not even one layer fits the {} of cuda:{}", size(room.bytes), room.gpu);
    return placement;
  }
  placement.gpu = plan_last_layers(planner, workloads, placement.gpu_layers);
  try {
    model.move_to_gpu(room.gpu, planner.decoder_layers() - placement.gpu_layers);
  } catch (const Error& error) {
    if (whole) throw;
    placement = {.problem = error.what()};  // the weights are still here
  }
  return placement;
}

std::string describe(const Placement& placement, const model::Architecture& architecture,
                     const GpuRoom& room) {
  if (placement.gpu_layers == 0) return fmt::format("on the CPU: {}", placement.problem);
  const std::string gpu =
      fmt::format("cuda:{} ({} of {})", room.gpu, size(placement.gpu.bytes()), size(room.bytes));
  if (placement.gpu_layers == architecture.layers) return fmt::format("all layers on {}", gpu);
  const int64_t first = architecture.layers - placement.gpu_layers;
  return fmt::format("embeddings and layers 0–{} on the CPU, {}–{} and lm_head on {}", first - 1,
                     first, architecture.layers - 1, gpu);
}

}  // namespace octet::runtime

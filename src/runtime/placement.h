// Deciding which layers of a loaded model run on a GPU, so that they fit its memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "model/model.h"
#include "runtime/plan.h"

namespace octet::runtime {

/// What octet may still use of a GPU.
struct GpuRoom {
  int gpu = 0;
  int64_t bytes = 0;
  bool limited = false;  ///< by a limit rather than by what is free
};
/// `limit_bytes` is kept from now on (device::limit_gpu_memory); what other models of this process
/// use of it is taken off. Without one some of what is free stays free, for CUDA's kernels and
/// graphs. Throws Error when there is no such GPU.
GpuRoom gpu_room(int gpu, std::optional<int64_t> limit_bytes);

/// What the last `layers` decoder layers of a model, and its head, take on a GPU whose buffers
/// serve all the workloads one after the other.
DevicePlan plan_last_layers(const Planner& planner, std::span<const Workload> workloads,
                            int64_t layers);

/// The most decoder layers, counted from the last one, that fit `bytes` with the head; 0: not even
/// one. Of an encoder-decoder it is all or none.
int64_t most_last_layers(const Planner& planner, std::span<const Workload> workloads,
                         int64_t bytes);

/// Throws Error naming what a GPU cannot run of the model.
void check_runs_on_gpu(const model::Architecture& architecture, const linear::Precision& precision);

/// Throws Error, with the figures and what to do, when the whole model does not fit.
void check_fits(const Planner& planner, std::span<const Workload> workloads, const GpuRoom& room);

struct Placement {
  int64_t gpu_layers = 0;  ///< the last ones, with the head; all: the embeddings too; 0: none
  DevicePlan gpu = {};
  std::string problem = {};  ///< why none
};
/// Moves to the GPU as many of the last layers as have room there, all of them or none with
/// `whole`, which throws Error then as check_fits does. A model that a GPU cannot run stays where
/// it is, or throws.
Placement place(model::Model& model, std::span<const Workload> workloads, const GpuRoom& room,
                bool whole);

/// "layers 0–11 on the CPU, 12–23 and lm_head on cuda:0 (3.20 GiB of 4.00 GiB)".
std::string describe(const Placement& placement, const model::Architecture& architecture,
                     const GpuRoom& room);

}  // namespace octet::runtime

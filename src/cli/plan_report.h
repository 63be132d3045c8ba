// Printing what octet plan found: as text with tables, as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "linear/precision.h"
#include "model/architecture.h"
#include "model/size.h"
#include "runtime/plan.h"

namespace octet::cli {

/// One method's needs on the devices asked about.
struct MethodPlan {
  linear::Method method = linear::Method::llm_int8;
  int64_t weights_bytes = 0;
  int64_t bytes_needed = 0;
  bool fits = false;
  std::optional<int64_t> devices_needed;  ///< nothing: one layer alone is too much
};

/// The GPU that a plan is for.
struct PlannedGpu {
  int index = 0;
  std::string name = {};  ///< empty: not of this machine
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;
  int64_t layers = 0;  ///< the last ones that --device auto would run there
};

struct PlanReport {
  std::string model;
  std::optional<PlannedGpu> gpu;  ///< none: layouts and buffers are a CPU's
  model::Architecture architecture;
  linear::Precision precision;
  double kept_share = 0;
  runtime::Workload workload;
  int64_t memory_bytes = 0;  ///< of each device
  model::ModelBytes weights;
  std::vector<runtime::DevicePlan> devices;
  int64_t most_sequences = 0;
  int64_t longest_context = 0;
  MethodPlan chosen;
  std::vector<MethodPlan> methods;  ///< for comparison, `chosen` among them
};

std::string plan_text(const PlanReport& report, bool layers);
nlohmann::ordered_json plan_json(const PlanReport& report);

}  // namespace octet::cli

// Placing whole layers over devices, first by filling each to a limit, then by the lowest limit.
#include "runtime/plan.h"

#include <algorithm>

#include "base/error.h"
#include "model/gpu_size.h"
#include "model/kv_cache.h"
#include "runtime/session.h"

namespace octet::runtime {

struct Unit {
  enum class Kind : uint8_t { embeddings, layer, head };
  Kind kind = Kind::layer;
  int64_t weights = 0;
  int64_t cache = 0;
  int64_t buffers = 0;  ///< beside those that every device has

  int64_t bytes() const { return weights + cache + buffers; }
};

namespace {

/// Most sequences that are looked at.
constexpr int64_t kMostSequences = 1 << 20;

/// No more than 100 TB, so that sums over layers stay in range whatever was asked for.
int64_t bounded_product(int64_t a, int64_t b) {
  constexpr double kBound = 1e14;
  return static_cast<int64_t>(std::min(static_cast<double>(a) * static_cast<double>(b), kBound));
}

void add(const Unit& unit, int64_t index, DevicePlan& device) {
  if (unit.kind == Unit::Kind::embeddings) device.embeddings = true;
  if (unit.kind == Unit::Kind::head) device.head = true;
  if (unit.kind == Unit::Kind::layer) {
    if (device.layers == 0) device.first_layer = index - 1;  // the embeddings come first
    ++device.layers;
  }
  device.weights_bytes += unit.weights;
  device.kv_cache_bytes += unit.cache;
  device.buffer_bytes += unit.buffers;
}

/// Fills one device after the other up to `capacity`; empty when a unit is beyond it.
std::vector<DevicePlan> fill(const std::vector<Unit>& units, int64_t buffers, int64_t capacity) {
  std::vector<DevicePlan> devices;
  for (size_t i = 0; i < units.size(); ++i) {
    const int64_t needed = units[i].bytes();
    if (devices.empty() || devices.back().bytes() + needed > capacity) {
      devices.push_back({.buffer_bytes = buffers});
      if (devices.back().bytes() + needed > capacity) return {};
    }
    add(units[i], static_cast<int64_t>(i), devices.back());
  }
  return devices;
}

/// The largest value in [0, high] for which `holds`, which holds for every smaller one too.
template <typename Predicate>
int64_t largest(int64_t high, const Predicate& holds) {
  int64_t low = 0;
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    if (holds(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace

namespace {

/// A step that GPU buffers have to hold: slices that end where their sequences do.
struct PlannedStep {
  std::vector<model::Slice> slices;
  model::Stack stack = model::Stack::decoder;

  void add(int64_t rows, int64_t context, int64_t source_positions) {
    slices.push_back({.rows = rows,
                      .first_position = std::max<int64_t>(0, context - rows),
                      .source_positions = source_positions});
  }
};

/// Rows of a step at most.
int64_t most_step_rows(const linear::Precision& precision, const Workload& workload) {
  const int64_t rows = step_rows(precision);
  return workload.most_rows > 0 ? std::min(rows, workload.most_rows) : rows;
}

/// The steps whose buffers are largest: decoding, and a chunk of a prompt beside it; an encoder
/// reads all of a text.
std::vector<PlannedStep> planned_steps(const model::Architecture& architecture,
                                       const linear::Precision& precision,
                                       const Workload& workload) {
  const int64_t context = std::max<int64_t>(1, workload.context);
  const int64_t source = architecture.encoder_decoder() ? context : 0;
  const int64_t most_rows = most_step_rows(precision, workload);
  const int64_t decoding = std::min(workload.sequences, most_rows);
  std::vector<PlannedStep> steps(2);
  for (int64_t i = 0; i < decoding; ++i) steps[0].add(1, context, source);
  const int64_t beside = std::min(workload.sequences - 1, most_rows - 1);
  steps[1].add(std::min(most_rows - beside, context), context, source);
  for (int64_t i = 0; i < beside; ++i) steps[1].add(1, context, source);
  if (source > 0) {
    steps.push_back({.slices = {}, .stack = model::Stack::encoder});
    steps.back().add(context, context, 0);
  }
  return steps;
}

int64_t rows_of(const PlannedStep& step) {
  int64_t rows = 0;
  for (const model::Slice& slice : step.slices) rows += slice.rows;
  return rows;
}

std::vector<int> activation_widths(const linear::Precision& precision, const Workload& workload) {
  if (workload.both_widths && precision.method == linear::Method::llm_int8) return {8, 16};
  return {precision.activation_bits};
}

}  // namespace

Planner::Planner(model::Architecture architecture, model::ModelShape shape, DeviceKind kind)
    : architecture_(std::move(architecture)),
      shape_(std::move(shape)),
      kind_(kind),
      weights_(kind == DeviceKind::gpu ? model::gpu_packed_bytes(shape_)
                                       : model::packed_bytes(shape_)) {}

std::vector<Unit> Planner::units(const Workload& workload) const {
  const int64_t pages = cache_pages(architecture_, workload.context, workload.sequences);
  const int64_t layer_cache = bounded_product(
      pages, model::layer_page_bytes(architecture_, model::cache_type(shape_.precision.method)));
  std::vector<Unit> units;
  units.push_back({.kind = Unit::Kind::embeddings, .weights = weights_.embeddings.total()});
  const auto encoder_layers = architecture_.encoder_layer_names.size();
  for (size_t i = 0; i < weights_.layers.size(); ++i) {
    units.push_back(
        {.weights = weights_.layers[i].total(), .cache = i < encoder_layers ? 0 : layer_cache});
  }
  units.push_back({.kind = Unit::Kind::head,
                   .weights = weights_.head.total() + weights_.shared_head.total(),
                   .buffers = logits_bytes(workload)});
  return units;
}

int64_t Planner::logits_bytes(const Workload& workload) const {
  int64_t rows = workload.sequences;
  if (workload.all_logits) rows = bounded_product(workload.context, workload.sequences);
  // A GPU has those of one step, the CPU collects them.
  if (kind_ == DeviceKind::gpu || workload.all_logits)
    rows = std::min(rows, most_step_rows(shape_.precision, workload));
  return rows * architecture_.vocabulary_size * int64_t{sizeof(float)};
}

int64_t Planner::gpu_buffer_bytes(const Workload& workload, int64_t first_layer) const {
  model::GpuStepSizes sizes;
  linear::GpuCallSizes calls;
  for (const PlannedStep& step : planned_steps(architecture_, shape_.precision, workload)) {
    const int64_t logit_rows = step.stack == model::Stack::encoder ? 0
                               : workload.all_logits               ? rows_of(step)
                                                                   : std::ssize(step.slices);
    const model::StepExtent extent =
        model::extent_of(architecture_, step.slices, logit_rows, workload.context, step.stack);
    sizes.include(model::gpu_step_sizes(architecture_, extent, first_layer == 0));
    for (const int bits : activation_widths(shape_.precision, workload)) {
      calls.include(model::gpu_call_sizes(shape_, extent, bits, first_layer));
    }
  }
  sizes.logits = 0;
  return sizes.bytes() + calls.bytes() + model::gpu_fixed_bytes(architecture_);
}

int64_t Planner::buffer_bytes(const Workload& workload) const {
  if (kind_ == DeviceKind::gpu) return gpu_buffer_bytes(workload, /*first_layer=*/0);
  // A step holds a chunk of one prompt or a row of each sequence; an encoder reads all of a text.
  const int64_t most = std::max(workload.context, workload.sequences);
  const int64_t rows = architecture_.encoder_decoder()
                           ? most
                           : std::min(most_step_rows(shape_.precision, workload), most);
  const int64_t logit_rows = workload.all_logits ? rows : std::min(rows, workload.sequences);
  return model::step_bytes(architecture_, shape_, rows, logit_rows);
}

DevicePlan Planner::one_device(const Workload& workload) const {
  DevicePlan device{.buffer_bytes = buffer_bytes(workload)};
  const std::vector<Unit> all = units(workload);
  for (size_t i = 0; i < all.size(); ++i) add(all[i], static_cast<int64_t>(i), device);
  device.weights_bytes -= weights_.shared_head.total();
  return device;
}

DevicePlan Planner::last_layers(const Workload& workload, int64_t layers) const {
  OCTET_CHECK(kind_ == DeviceKind::gpu && layers > 0 && layers <= decoder_layers());
  if (layers == decoder_layers()) return one_device(workload);
  OCTET_CHECK(splits());
  const int64_t first = decoder_layers() - layers;
  const std::vector<Unit> all = units(workload);
  DevicePlan device{.buffer_bytes = gpu_buffer_bytes(workload, first)};
  // In front of the units of the layers are the embeddings.
  for (size_t i = static_cast<size_t>(first) + 1; i < all.size(); ++i) {
    add(all[i], static_cast<int64_t>(i), device);
  }
  return device;
}

std::vector<DevicePlan> Planner::place(const Workload& workload, int64_t devices) const {
  if (devices == 1) return {one_device(workload)};
  const std::vector<Unit> all = units(workload);
  const int64_t buffers = buffer_bytes(workload);
  const int64_t enough = one_device(workload).bytes() + weights_.shared_head.total();
  // How much less than `enough` each device may hold.
  const int64_t spared = largest(enough, [&](int64_t less) {
    const auto filled = fill(all, buffers, enough - less);
    return !filled.empty() && std::ssize(filled) <= devices;
  });
  std::vector<DevicePlan> plan = fill(all, buffers, enough - spared);
  plan.resize(static_cast<size_t>(devices));
  return plan;
}

std::optional<int64_t> Planner::devices_needed(const Workload& workload,
                                               int64_t memory_bytes) const {
  if (one_device(workload).bytes() <= memory_bytes) return 1;
  const auto filled = fill(units(workload), buffer_bytes(workload), memory_bytes);
  if (filled.empty()) return std::nullopt;
  return std::ssize(filled);
}

bool Planner::fits(const Workload& workload, int64_t devices, int64_t memory_bytes) const {
  const std::optional<int64_t> needed = devices_needed(workload, memory_bytes);
  return needed && *needed <= devices;
}

int64_t Planner::most_sequences(int64_t context, int64_t devices, int64_t memory_bytes) const {
  return largest(kMostSequences, [&](int64_t sequences) {
    return fits({.context = context, .sequences = sequences}, devices, memory_bytes);
  });
}

int64_t Planner::longest_context(int64_t sequences, int64_t devices, int64_t memory_bytes) const {
  return largest(architecture_.max_positions, [&](int64_t context) {
    return fits({.context = context, .sequences = sequences}, devices, memory_bytes);
  });
}

}  // namespace octet::runtime

// Printing a plan: methods side by side, what each device holds, what the weights consist of.
#include "cli/plan_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/memory_size.h"
#include "cli/options.h"
#include "evaluate/markdown_table.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

std::string plural(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string parameters_text(int64_t count) {
  const auto number = static_cast<double>(count);
  return count < 1'000'000'000 ? fmt::format("{:.1f} million parameters", number / 1e6)
                               : fmt::format("{:.2f} billion parameters", number / 1e9);
}

std::string devices_text(const std::optional<int64_t>& needed) {
  return needed ? std::to_string(*needed) : "none is enough";
}

/// "embeddings, 0–11", "84–95, head", "–".
std::string contents(const runtime::DevicePlan& device) {
  std::string text = device.embeddings ? "embeddings" : "";
  const auto append = [&text](const std::string& part) {
    text += (text.empty() ? "" : ", ") + part;
  };
  if (device.layers == 1) append(std::to_string(device.first_layer));
  if (device.layers > 1) {
    append(fmt::format("{}–{}", device.first_layer, device.first_layer + device.layers - 1));
  }
  if (device.head) append("head");
  return text.empty() ? "–" : text;
}

std::string methods_table(const PlanReport& report) {
  Rows rows = {{"method", "weights", "needed in all", "fits", "devices needed"}};
  for (const MethodPlan& method : report.methods) {
    rows.push_back({std::string(linear::name(method.method)), memory_text(method.weights_bytes),
                    memory_text(method.bytes_needed), method.fits ? "yes" : "no",
                    devices_text(method.devices_needed)});
  }
  return evaluate::markdown_table(rows);
}

std::string devices_table(const PlanReport& report) {
  Rows rows = {{"device", "holds", "weights", "KV cache", "buffers", "in all", "left"}};
  for (size_t i = 0; i < report.devices.size(); ++i) {
    const runtime::DevicePlan& device = report.devices[i];
    rows.push_back({std::to_string(i), contents(device), memory_text(device.weights_bytes),
                    memory_text(device.kv_cache_bytes), memory_text(device.buffer_bytes),
                    memory_text(device.bytes()),
                    memory_text(report.memory_bytes - device.bytes())});
  }
  return evaluate::markdown_table(rows);
}

/// What the weights consist of; lines of nothing are left out.
std::string parts_table(const model::WeightBytes& weights) {
  Rows rows = {{"weights", "bytes"}};
  const auto row = [&rows](const char* name, int64_t bytes) {
    if (bytes > 0) rows.push_back({name, memory_text(bytes)});
  };
  row("int8 codes", weights.linear.codes);
  row("scales and sums of columns", weights.linear.columns);
  row("columns kept in 16 bits", weights.linear.kept);
  row("16-bit matrices", weights.linear.sixteen_bit);
  row("32-bit matrices", weights.linear.thirty_two_bit);
  row("biases", weights.linear.bias);
  row("norms and tables of positions", weights.float32);
  return evaluate::markdown_table(rows);
}

std::string layers_table(const PlanReport& report) {
  Rows rows = {{"layer", "weights", "of it in int8"}};
  const auto row = [&rows](const std::string& name, const model::WeightBytes& weights) {
    rows.push_back({name, memory_text(weights.total()), memory_text(weights.linear.codes)});
  };
  row("embeddings", report.weights.embeddings);
  const int64_t encoder = std::ssize(report.architecture.encoder_layer_names);
  for (int64_t i = 0; i < std::ssize(report.weights.layers); ++i) {
    row(fmt::format("{}{}", i < encoder ? "encoder " : "", i),
        report.weights.layers[static_cast<size_t>(i)]);
  }
  row("head", report.weights.head);
  return evaluate::markdown_table(rows);
}

/// The answer in words.
std::string verdict(const PlanReport& report) {
  const auto fullest = std::ranges::max_element(report.devices, {}, &runtime::DevicePlan::bytes);
  const std::string room = memory_text(report.memory_bytes);
  if (report.chosen.fits) {
    return fmt::format("fits: the fullest device holds {} of {}", memory_text(fullest->bytes()),
                       room);
  }
  if (!report.chosen.devices_needed) {
    return fmt::format("does not fit: a device of {} cannot hold even one layer", room);
  }
  return fmt::format("does not fit: the fullest device would hold {} of {}; {} would do",
                     memory_text(fullest->bytes()), room,
                     plural(*report.chosen.devices_needed, "such device"));
}

std::string assumptions(const PlanReport& report) {
  std::string text;
  if (linear::decomposes(report.precision) &&
      report.precision.outliers != linear::OutlierMode::token) {
    text += fmt::format(
        "assumed: {:g}% of the input columns of int8 layers are outliers, in 16 bits; how many are "
        "is known when the model is loaded (--kept-share)\n",
        report.kept_share * 100);
  }
  return text;
}

Json json_of(const runtime::DevicePlan& device, size_t index, int64_t memory_bytes) {
  return {{"index", index},
          {"first_layer", device.first_layer},
          {"layers", device.layers},
          {"embeddings", device.embeddings},
          {"head", device.head},
          {"weights_bytes", device.weights_bytes},
          {"kv_cache_bytes", device.kv_cache_bytes},
          {"buffer_bytes", device.buffer_bytes},
          {"bytes", device.bytes()},
          {"bytes_left", memory_bytes - device.bytes()}};
}

Json json_of(const model::WeightBytes& weights) {
  return {{"int8_codes", weights.linear.codes},
          {"column_scales", weights.linear.columns},
          {"kept_columns", weights.linear.kept},
          {"sixteen_bit", weights.linear.sixteen_bit},
          {"thirty_two_bit", weights.linear.thirty_two_bit},
          {"biases", weights.linear.bias},
          {"norms_and_positions", weights.float32}};
}

Json json_of(const std::optional<int64_t>& count) {
  return count ? Json(*count) : Json(nullptr);
}

/// What --device auto would do with one GPU that is too small.
std::string divided(const PlanReport& report) {
  if (!report.gpu || report.devices.size() > 1 || report.chosen.fits) return {};
  return fmt::format("--device auto would run {} of {} layers there, and the others on the CPU\n",
                     report.gpu->layers, report.architecture.layers);
}

/// "cuda:0 (NVIDIA H100, 79.11 GiB, 78.20 GiB of it free)".
std::string gpu_text(const PlannedGpu& gpu) {
  if (gpu.name.empty()) return fmt::format("cuda:{}, which is not here,", gpu.index);
  return fmt::format("cuda:{} ({}, {}, {} of it free)", gpu.index, gpu.name,
                     memory_text(gpu.total_bytes), memory_text(gpu.free_bytes));
}

Json json_of(const PlannedGpu& gpu) {
  Json object = {{"index", gpu.index}, {"layers", gpu.layers}};
  if (!gpu.name.empty())
    object.update(
        {{"name", gpu.name}, {"memory_bytes", gpu.total_bytes}, {"free_bytes", gpu.free_bytes}});
  return object;
}

}  // namespace

std::string plan_text(const PlanReport& report, bool layers) {
  const model::Architecture& a = report.architecture;
  std::string text = fmt::format("{}: {}, {}, {}\n", report.model, a.family,
                                 plural(std::ssize(report.weights.layers), "layer"),
                                 parameters_text(a.parameters()));
  if (report.gpu) text += fmt::format("as {} would hold it\n", gpu_text(*report.gpu));
  text += fmt::format(
      "{} of {}; context {}, batch {}\n\n", plural(std::ssize(report.devices), "device"),
      memory_text(report.memory_bytes), report.workload.context, report.workload.sequences);
  text += methods_table(report);
  text += fmt::format("\n{} {}\n", linear::name(report.precision.method), verdict(report));
  text += divided(report) + assumptions(report);
  text += fmt::format("largest batch at context {}: {}; longest context at batch {}: {}\n\n",
                      report.workload.context, report.most_sequences, report.workload.sequences,
                      report.longest_context);
  text += devices_table(report) + "\n" + parts_table(report.weights.all());
  if (layers) text += "\n" + layers_table(report);
  return text;
}

Json plan_json(const PlanReport& report) {
  Json object = {{"model", report.model},
                 {"family", report.architecture.family},
                 {"parameters", report.architecture.parameters()},
                 {"method", linear::name(report.precision.method)},
                 {"activation_bits", activation_bits_of(report.precision)},
                 {"kept_share", report.kept_share},
                 {"context", report.workload.context},
                 {"batch", report.workload.sequences},
                 {"device", report.gpu ? "cuda" : "cpu"},
                 {"memory_bytes", report.memory_bytes},
                 {"fits", report.chosen.fits},
                 {"bytes_needed", report.chosen.bytes_needed},
                 {"weights_bytes", report.chosen.weights_bytes},
                 {"weights", json_of(report.weights.all())},
                 {"devices_needed", json_of(report.chosen.devices_needed)},
                 {"largest_batch", report.most_sequences},
                 {"longest_context", report.longest_context},
                 {"devices", Json::array()},
                 {"layers", Json::array()},
                 {"methods", Json::array()}};
  if (report.gpu) object["gpu"] = json_of(*report.gpu);
  for (size_t i = 0; i < report.devices.size(); ++i) {
    object["devices"].push_back(json_of(report.devices[i], i, report.memory_bytes));
  }
  for (const model::WeightBytes& layer : report.weights.layers) {
    object["layers"].push_back({{"weights_bytes", layer.total()}});
  }
  for (const MethodPlan& method : report.methods) {
    object["methods"].push_back({{"method", linear::name(method.method)},
                                 {"weights_bytes", method.weights_bytes},
                                 {"bytes_needed", method.bytes_needed},
                                 {"fits", method.fits},
                                 {"devices_needed", json_of(method.devices_needed)}});
  }
  return object;
}

}  // namespace octet::cli

// octet devices: what this machine offers to run models on.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/report.h"
#include "device/cache.h"
#include "device/cpu_features.h"
#include "device/gpu.h"
#include "device/thread_team.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples = R"(Examples:
  octet devices
  octet devices --json)";

std::string capability(const device::Gpu& gpu) {
  return fmt::format("{}.{}", gpu.capability_major, gpu.capability_minor);
}

std::vector<std::string> runnable_isas() {
  std::vector<std::string> names;
  for (const device::Isa isa : device::kIsas) {
    if (device::cpu_features().has(isa)) names.emplace_back(device::name(isa));
  }
  return names;
}

Json as_json(const device::GpuList& list) {
  Json gpus = Json::array();
  for (const device::Gpu& gpu : list.gpus) {
    gpus.push_back({{"name", gpu.name},
                    {"compute_capability", capability(gpu)},
                    {"multiprocessors", gpu.multiprocessors},
                    {"memory_bytes", gpu.memory_bytes},
                    {"memory_gb_per_s", gpu.memory_bytes_per_s / 1e9}});
  }
  Json object = {{"cpu",
                  {{"threads", device::available_threads()},
                   {"isa", device::name(device::cpu_features().best())},
                   {"isas", runnable_isas()},
                   {"cache_bytes", device::last_level_cache_bytes()},
                   {"available_memory_bytes", device::available_memory_bytes()}}},
                 {"cuda", gpus}};
  if (list.gpus.empty()) object["why_no_cuda"] = list.why_none;
  return object;
}

std::string as_text(const device::GpuList& list) {
  std::string isas;
  for (const std::string& isa : runnable_isas()) isas += (isas.empty() ? "" : ", ") + isa;
  std::string text = fmt::format(
      "cpu     {} threads, {} of memory free, last-level cache {}\n        instruction sets: {}\n",
      device::available_threads(), size_text(device::available_memory_bytes()),
      size_text(device::last_level_cache_bytes()), isas);
  for (size_t i = 0; i < list.gpus.size(); ++i) {
    const device::Gpu& gpu = list.gpus[i];
    text += fmt::format("cuda:{}  {}, compute capability {}, {} multiprocessors, {}, {:.0f} GB/s\n",
                        i, gpu.name, capability(gpu), gpu.multiprocessors,
                        size_text(gpu.memory_bytes), gpu.memory_bytes_per_s / 1e9);
  }
  if (list.gpus.empty()) text += fmt::format("cuda    none: {}\n", list.why_none);
  return text;
}

}  // namespace

void add_devices(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("devices", "List what this machine can run models on");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print one JSON object");
  command->footer(kExamples);
  command->callback([&action, json] {
    action = [json] {
      const device::GpuList list = device::list_gpus();
      if (*json) {
        write_json(as_json(list));
      } else {
        write_out(as_text(list));
      }
      return 0;
    };
  });
}

}  // namespace octet::cli

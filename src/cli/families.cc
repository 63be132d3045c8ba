// octet families: which models octet loads, and from which formats.
#include "model/families/families.h"

#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/report.h"
#include "model/load/gguf/architecture.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples = R"(Examples:
  octet families
  octet families --json)";

/// A markdown table, which README holds.
std::string as_table() {
  std::string text =
      "| `model_type` | models | safetensors, PyTorch | bitsandbytes int8 | GGUF architecture |\n"
      "|---|---|:-:|:-:|---|\n";
  for (const model::Family& family : model::families()) {
    const model::GgufArchitecture* gguf = model::gguf_architecture_of(family.model_type);
    text += fmt::format("| `{}` | {} | ✓ | ✓ | {} |\n", family.model_type, family.models,
                        gguf == nullptr ? "–" : fmt::format("`{}`", gguf->name));
  }
  return text;
}

Json as_json() {
  Json list = Json::array();
  for (const model::Family& family : model::families()) {
    const model::GgufArchitecture* gguf = model::gguf_architecture_of(family.model_type);
    list.push_back({{"model_type", family.model_type},
                    {"models", family.models},
                    {"gguf_architecture", gguf == nullptr ? Json(nullptr) : Json(gguf->name)}});
  }
  return {{"families", std::move(list)}};
}

}  // namespace

void add_families(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("families", "List the models that can be loaded");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print one JSON object");
  command->footer(kExamples);
  command->callback([&action, json] {
    action = [json] {
      if (*json) {
        write_json(as_json());
      } else {
        write_out(as_table());
      }
      return 0;
    };
  });
}

}  // namespace octet::cli

// octet inspect: what a checkpoint holds and how large it is in 32, 16 and 8 bits.
#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/report.h"
#include "model/load/load.h"
#include "model/size.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples = R"(Examples:
  octet inspect -m model.gguf
  octet inspect -m model/ --json
  octet inspect -m model/ -v          (lists every tensor)
  octet inspect -m config.json        (before any download))";

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (int64_t extent : shape) text += fmt::format("{}{}", text.empty() ? "" : "×", extent);
  return text.empty() ? "scalar" : text;
}

Json architecture_json(const model::Architecture& architecture) {
  return {{"family", architecture.family},
          {"layers", architecture.layers},
          {"hidden_size", architecture.hidden_size},
          {"intermediate_size", architecture.intermediate_size},
          {"heads", architecture.heads},
          {"kv_heads", architecture.kv_heads},
          {"head_dim", architecture.head_dim},
          {"vocabulary_size", architecture.vocabulary_size},
          {"max_positions", architecture.max_positions},
          {"tied_embeddings", architecture.tied_embeddings}};
}

void print_json(const CommonOptions& options, const model::Description& description) {
  const model::NumberBytes sizes = model::number_bytes(description.architecture);
  Json object;
  object["model"] = options.model;
  object["format"] = description.format;
  object["architecture"] = architecture_json(description.architecture);
  object["parameters"] = description.architecture.parameters();
  object["bytes"] = {{"float32", sizes.float32}, {"float16", sizes.float16}, {"int8", sizes.int8}};
  Json tensors = Json::array();
  for (const model::Description::Tensor& tensor : description.tensors)
    tensors.push_back({{"name", tensor.name},
                       {"dtype", tensor.dtype},
                       {"shape", tensor.shape},
                       {"bytes", tensor.bytes}});
  object["tensors"] = std::move(tensors);
  write_json(object);
}

void print_text(const CommonOptions& options, const model::Description& description) {
  const model::Architecture& architecture = description.architecture;
  const model::NumberBytes sizes = model::number_bytes(architecture);
  std::string text;
  const auto line = [&text](std::string_view key, const std::string& value) {
    text += fmt::format("{:<14} {}\n", key, value);
  };
  line("model", fmt::format("{} ({})", options.model, description.format));
  line("family", architecture.family);
  line("layers", fmt::format("{}", architecture.layers));
  line("hidden size", fmt::format("{} (feed-forward {})", architecture.hidden_size,
                                  architecture.intermediate_size));
  line("heads", fmt::format("{} of {} (key/value {})", architecture.heads, architecture.head_dim,
                            architecture.kv_heads));
  line("vocabulary", fmt::format("{}", architecture.vocabulary_size));
  line("positions", fmt::format("{}", architecture.max_positions));
  line("parameters", fmt::format("{} ({} in the layers' linear weights)", architecture.parameters(),
                                 architecture.linear_parameters()));
  line("in 32 bits", size_text(sizes.float32));
  line("in 16 bits", size_text(sizes.float16));
  line("in 8 bits",
       fmt::format("{} ({:.2f} times smaller than in 16)", size_text(sizes.int8),
                   static_cast<double>(sizes.float16) / static_cast<double>(sizes.int8)));
  int64_t stored = 0;
  for (const model::Description::Tensor& tensor : description.tensors) stored += tensor.bytes;
  line("tensors", description.tensors.empty()
                      ? "none here"
                      : fmt::format("{}, {}", description.tensors.size(), size_text(stored)));
  if (options.verbose) {
    for (const model::Description::Tensor& tensor : description.tensors)
      text +=
          fmt::format("  {:<56} {:<5} {}\n", tensor.name, tensor.dtype, shape_text(tensor.shape));
  }
  write_out(text);
}

int run_inspect(const CommonOptions& options) {
  const model::Description description = model::describe(options.model);
  if (options.json) {
    print_json(options, description);
  } else {
    print_text(options, description);
  }
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* sub = app.add_subcommand("inspect", "Show a checkpoint's architecture and sizes");
  sub->footer(kExamples);
  add_common_options(*sub, *options, {.precision = false, .device = false, .seed = false});
  sub->callback([options, &action] { action = [options] { return run_inspect(*options); }; });
}

}  // namespace octet::cli

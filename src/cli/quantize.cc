// octet quantize: writes a converted model, which then loads without converting.
#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/loading.h"
#include "cli/options.h"
#include "cli/report.h"
#include "model/load/load.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples = R"(Examples:
  octet quantize -m model/ -o model-int8
  octet quantize -m model.gguf -o model-int8 --skip-modules none
  octet generate -m model-int8 -p "Hello")";

struct QuantizeCommand {
  CommonOptions common;
  std::string output;
  std::string format = "octet";
};

/// Refuses before the work what would fail after it.
void check_output(const std::filesystem::path& directory) {
  std::error_code error;
  const auto status = std::filesystem::status(directory, error);
  if (!std::filesystem::exists(status)) return;
  if (!std::filesystem::is_directory(status))
    fail("{}: is no directory; name a new one with -o", directory.string());
  const bool empty = std::filesystem::is_empty(directory, error);
  if (error) fail("{}: cannot be read: {}", directory.string(), error.message());
  if (!empty) fail("{}: is not empty; name a new directory with -o", directory.string());
}

int64_t bytes_in(const std::filesystem::path& directory) {
  int64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  return bytes;
}

int run_quantize(const QuantizeCommand& command) {
  if (command.format != "octet")
    fail("--format {}: this version writes octet's own format only; use --format octet",
         command.format);
  const linear::Precision precision = single_precision(command.common);
  check_output(command.output);
  device::Cpu cpu = open_cpu(command.common);
  const LoadedModel model = load_model(cpu, command.common, precision);
  model::save_quantized(model.loaded, command.common.model, command.output);

  const int64_t before = model.loaded.weights_bytes_16bit;
  const int64_t after = model.loaded.model.weights().bytes();
  const int64_t written = bytes_in(command.output);
  const double kept = kept_share(model.loaded);
  if (command.common.json) {
    write_json(Json{{"model", command.common.model},
                    {"output", command.output},
                    {"method", linear::name(model.loaded.model.precision().method)},
                    {"weights_bytes_16bit", before},
                    {"weights_bytes", after},
                    {"file_bytes", written},
                    {"kept_columns_share", kept},
                    {"load_s", model.seconds}});
    return 0;
  }
  write_out(
      fmt::format("{}: {} in 16 bits became {} ({:.2f} times smaller), {} on disk; {:.2f}% of "
                  "the linear inputs' columns kept in 16 bits\n",
                  command.output, size_text(before), size_text(after),
                  static_cast<double>(before) / static_cast<double>(std::max<int64_t>(after, 1)),
                  size_text(written), kept * 100));
  return 0;
}

}  // namespace

void add_quantize(CLI::App& app, Action& action) {
  auto command = std::make_shared<QuantizeCommand>();
  CLI::App* sub = app.add_subcommand("quantize", "Write a converted model that loads faster");
  sub->footer(kExamples);
  add_common_options(*sub, command->common, {.seed = false});
  sub->add_option("-o,--output", command->output, "New or empty directory")
      ->required()
      ->type_name("DIR");
  sub->add_option("--format", command->format, "Layout of the files")
      ->type_name("FORMAT")
      ->capture_default_str()
      ->check(CLI::IsMember({"octet", "bitsandbytes"}));
  sub->callback([command, &action] { action = [command] { return run_quantize(*command); }; });
}

}  // namespace octet::cli

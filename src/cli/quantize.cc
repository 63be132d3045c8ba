// octet quantize: writes a converted model, which then loads without converting.
#include <fmt/core.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/loading.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "model/load/load.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples = R"(Examples:
  octet quantize -m model/ -o model-int8
  octet quantize -m model.gguf -o model-int8 --skip-modules none
  octet quantize -m model/ -o model-bnb --format bitsandbytes   (for Hugging Face transformers)
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

/// What the command tells about a conversion.
struct Conversion {
  std::string_view method;
  int64_t bytes_16bit;
  int64_t bytes;
  double kept;
  double seconds;
};

Conversion write_octet(const QuantizeCommand& command, device::Cpu& cpu,
                       const linear::Precision& precision) {
  CommonOptions options = command.common;
  options.device = "cpu";  // whose layout is what is written
  const LoadedModel model = load_model(cpu, options, precision);
  model::save_quantized(model.loaded, command.common.model, command.output);
  return {linear::name(model.loaded.model.precision().method), model.loaded.weights_bytes_16bit,
          model.loaded.model.weights().bytes(), kept_share(model.loaded), model.seconds};
}

Conversion write_bitsandbytes(const QuantizeCommand& command, device::Cpu& cpu,
                              const linear::Precision& precision) {
  if (precision.method != linear::Method::llm_int8) {
    fail("--format bitsandbytes: holds --method llm-int8 only, not {}",
         linear::name(precision.method));
  }
  model::LoadOptions options = load_options(command.common, precision);
  Progress progress("quantising");
  options.progress = [&progress](double share) {
    throw_if_interrupted();
    progress.update(share);
  };
  const auto start = std::chrono::steady_clock::now();
  const model::SavedBytes saved =
      model::save_bitsandbytes(cpu, command.common.model, command.output, options);
  progress.finish();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return {linear::name(precision.method), saved.weights_16bit, saved.weights, 0, seconds.count()};
}

int run_quantize(const QuantizeCommand& command) {
  const linear::Precision precision = single_precision(command.common);
  check_output(command.output);
  device::Cpu cpu = open_cpu(command.common);
  const bool octet = command.format == "octet";
  const Conversion done =
      octet ? write_octet(command, cpu, precision) : write_bitsandbytes(command, cpu, precision);
  const int64_t written = bytes_in(command.output);
  if (command.common.json) {
    write_json(Json{{"model", command.common.model},
                    {"output", command.output},
                    {"format", command.format},
                    {"method", done.method},
                    {"weights_bytes_16bit", done.bytes_16bit},
                    {"weights_bytes", done.bytes},
                    {"file_bytes", written},
                    {"kept_columns_share", done.kept},
                    {"load_s", done.seconds}});
    return 0;
  }
  const double smaller =
      static_cast<double>(done.bytes_16bit) / static_cast<double>(std::max<int64_t>(done.bytes, 1));
  std::string text =
      fmt::format("{}: {} in 16 bits became {} ({:.2f} times smaller), {} on disk", command.output,
                  size_text(done.bytes_16bit), size_text(done.bytes), smaller, size_text(written));
  if (octet) {
    text += fmt::format("; {:.2f}% of the linear inputs' columns kept in 16 bits", done.kept * 100);
  }
  write_out(text + "\n");
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

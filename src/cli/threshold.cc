// octet threshold: accuracy, outlier columns and speed at several α, and the α each kind of layer
// needs.
#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/command.h"
#include "cli/loading.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/text_windows.h"
#include "cli/threshold_report.h"

namespace octet::cli {
namespace {

constexpr const char* kExamples =
    R"(Beside the model in 32 bits: with every α for all layers, then for one kind of layer (q/k/v, o,
gate/up, down) with the others at --threshold; then with what is recommended for each kind: of
the α whose KL divergence is within 10% of the kind's best the one with the fewest outlier columns.

Examples:
  octet threshold -m model.gguf -f wikitext2-test.raw.txt --chunks 4
  octet threshold -m model/ -f text.txt --activation-bits 8 --outliers batch --html threshold.html
  octet generate -m model/ -p "Once" --threshold 6,down=20)";

struct ThresholdCommand {
  CommonOptions common;
  TextOptions text;
  std::string thresholds = "0,4,6,10,16,32";
  std::string html;
};

std::vector<float> thresholds_of(const ThresholdCommand& command) {
  std::vector<float> thresholds;
  for (std::string part : split_list(command.thresholds, "--thresholds")) {
    const std::string problem = number_in(0, 1e30)(part);
    if (!problem.empty()) throw UsageError("--thresholds: " + problem);
    thresholds.push_back(std::strtof(part.c_str(), nullptr));
  }
  return thresholds;
}

int run_threshold(const ThresholdCommand& command) {
  const linear::Precision base = single_precision(command.common);
  if (!linear::has_decomposition(base.method))
    throw UsageError(fmt::format("--method {}: has no threshold", linear::name(base.method)));
  if (base.kind_thresholds != linear::KindThresholds{})
    throw UsageError("--threshold: give one number, which the other kinds of layers have");
  if (!command.html.empty()) check_drawing(command.html);
  const std::vector<float> thresholds = thresholds_of(command);
  const std::vector<std::string> documents = read_text(command.text, command.common);
  device::Cpu cpu = open_cpu(command.common);
  LoadedModel reference = load_float_model(cpu, command.common);
  const Scored scored = windows_for(reference.loaded, documents, command.text, command.common);
  const evaluate::ThresholdStudy study = measure_thresholds(
      cpu, command.common, reference.loaded.model, scored.windows, base, thresholds);
  const ThresholdReport report = {.model = command.common.model,
                                  .file = command.text.file,
                                  .tokens = evaluate::predicted_tokens(scored.windows),
                                  .study = study};
  if (command.common.json) {
    write_json(threshold_json(report));
  } else {
    write_out(threshold_text(report));
  }
  if (!command.html.empty()) write_file(command.html, threshold_page(report));
  return 0;
}

}  // namespace

void add_threshold(CLI::App& app, Action& action) {
  auto command = std::make_shared<ThresholdCommand>();
  CLI::App* sub =
      app.add_subcommand("threshold", "Find the outlier threshold each kind of layer needs");
  sub->footer(kExamples);
  add_common_options(
      *sub, command->common,
      {.context = "Tokens of a window (default: 512, or the model's if fewer)", .seed = false});
  add_text_options(*sub, command->text);
  sub->add_option("--thresholds", command->thresholds, "α to try, with commas; 0 is off")
      ->type_name("A,…")
      ->capture_default_str();
  sub->add_option("--html", command->html, "Write a page with tables and plots")->type_name("FILE");
  sub->callback([command, &action] { action = [command] { return run_threshold(*command); }; });
}

}  // namespace octet::cli

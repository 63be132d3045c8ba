// octet outliers: the paper's outlier features of a model or several, and what they are worth.
#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/command.h"
#include "cli/loading.h"
#include "cli/options.h"
#include "cli/outliers_report.h"
#include "cli/report.h"
#include "cli/text_windows.h"
#include "report/plot.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples =
    R"(In 32 bits: which dimensions of the hidden state are outliers by the paper's definition, the
share of outlier columns in the input of every linear layer, and what perplexity and attention
lose when those dimensions are set to zero, beside as many random ones.

Examples:
  octet outliers -m model.gguf -f wikitext2-test.raw.txt --chunks 12
  octet outliers -m small/,large/ -f text.txt --html outliers.html
  octet outliers -m model/ -m planted/ -f text.txt --dimensions 44,465,429 --json)";

struct OutliersCommand {
  CommonOptions common;
  TextOptions text;
  std::vector<std::string> models;
  std::string dimensions;
  int random_sets = 3;
  std::string html;
  std::string svg;
};

/// "a,b" → {a, b}; a path that has commas in it stays whole.
std::vector<std::string> split_models(const std::vector<std::string>& arguments) {
  std::vector<std::string> models;
  for (const std::string& argument : arguments) {
    if (std::filesystem::exists(argument)) {
      models.push_back(argument);
      continue;
    }
    for (std::string& model : split_list(argument, "--model")) models.push_back(std::move(model));
  }
  return models;
}

OutlierReport measure(device::Cpu& cpu, const OutliersCommand& command, const std::string& model,
                      const std::vector<std::string>& documents) {
  CommonOptions options = command.common;
  options.model = model;
  LoadedModel loaded = load_float_model(cpu, options);
  const Scored scored = windows_for(loaded.loaded, documents, command.text, options);
  OutlierOptions asked = {.threshold = command.common.threshold,
                          .random_sets = command.random_sets,
                          .seed = command.common.seed};
  if (!command.dimensions.empty())
    asked.dimensions = split_numbers<int32_t>(command.dimensions, "--dimensions");
  return measure_outliers(cpu, loaded.loaded.model, model, scored.windows, asked);
}

void write_page(const OutliersCommand& command, const std::vector<OutlierReport>& reports,
                const std::vector<ReportTable>& tables) {
  report::Page page("Outlier features");
  std::string models;
  for (const OutlierReport& report : reports) models += (models.empty() ? "" : ", ") + report.model;
  page.paragraph(fmt::format("{} on {}, {} tokens, computed in 32 bits.", models, command.text.file,
                             reports.front().survey.positions));
  add_tables(page, tables);
  page.heading("Plots");
  add_figures(page, outlier_figures(reports));
  write_file(command.html, page.html());
}

void write_drawings(const std::string& directory, const std::vector<OutlierReport>& reports) {
  std::filesystem::create_directories(directory);
  for (const ReportFigure& figure : outlier_figures(reports)) {
    write_file(std::filesystem::path(directory) / (figure.name + ".svg"),
               report::svg_file(figure.svg));
  }
}

int run_outliers(const OutliersCommand& command) {
  if (command.common.threshold <= 0) throw UsageError("--threshold: must be above 0");
  if (!command.html.empty()) check_drawing(command.html);
  if (!command.svg.empty()) check_drawing("");
  const std::vector<std::string> documents = read_text(command.text, command.common);
  device::Cpu cpu = open_cpu(command.common);
  std::vector<OutlierReport> reports;
  for (const std::string& model : split_models(command.models)) {
    reports.push_back(measure(cpu, command, model, documents));
  }
  const std::vector<ReportTable> tables = outlier_tables(reports);
  if (command.common.json) {
    Json object = {{"file", command.text.file}, {"threshold", command.common.threshold}};
    object["models"] = Json::array();
    for (const OutlierReport& report : reports) object["models"].push_back(outliers_json(report));
    write_json(object);
  } else {
    write_out(tables_text(tables));
  }
  if (!command.html.empty()) write_page(command, reports, tables);
  if (!command.svg.empty()) write_drawings(command.svg, reports);
  return 0;
}

}  // namespace

void add_outliers(CLI::App& app, Action& action) {
  auto command = std::make_shared<OutliersCommand>();
  CLI::App* sub = app.add_subcommand(
      "outliers", "Find a model's outlier features, and what it loses without them");
  sub->footer(kExamples);
  add_common_options(*sub, command->common,
                     {.precision = false,
                      .context = "Tokens of a window (default: 512, or the model's if fewer)"});
  sub->remove_option(sub->get_option("--model"));
  sub->add_option("-m,--model", command->models,
                  "Hugging Face directory or .gguf file; several with commas or -m again")
      ->required()
      ->type_name("PATH")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  sub->get_option("--threshold")
      ->description("Magnitude from which on a value is an outlier")
      ->group("Options");
  add_text_options(*sub, command->text);
  sub->add_option("--dimensions", command->dimensions,
                  "Set these to zero instead of those found, with commas")
      ->type_name("I,J,…");
  sub->add_option("--random-sets", command->random_sets,
                  "Sets of random dimensions to compare with")
      ->type_name("N")
      ->capture_default_str()
      ->check(number_in(0, 1000));
  sub->add_option("--html", command->html, "Write a page with tables and plots")->type_name("FILE");
  sub->add_option("--svg", command->svg, "Write each plot to a file of its own there")
      ->type_name("DIR");
  sub->callback([command, &action] { action = [command] { return run_outliers(*command); }; });
}

}  // namespace octet::cli

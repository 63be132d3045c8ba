// octet sweep: gains of planted outliers × methods, the phase transition of LLM.int8()'s paper.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <bit>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/file.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/page_file.h"
#include "cli/report.h"
#include "cli/sweep_report.h"
#include "cli/text_scorer.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;
using linear::Precision;

constexpr const char* kExamples =
    R"(Plants outliers of every gain into the model while it is loaded (see octet plant-outliers; no file
is written) and scores a text with every method: where int8 breaks down as outliers grow. Without
--dimensions, --count of them are spread evenly: dimension (2i + 1) · hidden size / (2 · count),
rounded down, for i = 0, 1, … Without --method, llm-int8 runs with 8 and with 16 bits.

Examples:
  octet sweep -m model/ -f text.txt --chunks 4
  octet sweep -m model.gguf -f text.txt --gains 1,8,64 --method absmax-vectorwise,llm-int8 --json
  octet sweep -m model/ -f text.txt --method all --html sweep.html --resume sweep.jsonl)";

constexpr int64_t kLargestGain = 65536;

struct SweepCommand {
  CommonOptions common;
  TextOptions text;
  std::optional<std::string> dimensions;
  int64_t count = kSweepDimensions;
  std::string gains = "1,2,4,8,16,32,64";
  std::string reference = "fp32";
  std::optional<std::string> html;
  std::optional<std::string> svg;
  std::optional<std::string> resume;
};

std::vector<int64_t> gains_of(const SweepCommand& command) {
  auto gains = split_numbers<int64_t>(command.gains, "--gains");
  for (const int64_t gain : gains) {
    if (!std::has_single_bit(static_cast<uint64_t>(gain)) || gain > kLargestGain)
      throw UsageError(
          fmt::format("--gains: {} is no power of two from 1 to {}", gain, kLargestGain));
  }
  std::ranges::sort(gains);
  gains.erase(std::unique(gains.begin(), gains.end()), gains.end());
  return gains;
}

void write_pictures(const SweepCommand& command, const Sweep& sweep) {
  if (command.svg) write_file(*command.svg, report::svg_file(report::svg(perplexity_plot(sweep))));
  if (!command.html) return;
  report::Page page("Phase transition of " + sweep.model);
  page.paragraph(fmt::format("Text: {}, {} tokens predicted.", sweep.file,
                             sweep.rows.front().cells.front().result.tokens));
  add_sweep_section(page, sweep);
  write_file(*command.html, page.html());
}

void print_json(const TextScorer& scorer, device::Cpu& cpu, const Sweep& sweep) {
  const evaluate::Perplexity& first = sweep.rows.front().cells.front().result;
  Json object = {{"model", sweep.model},
                 {"file", sweep.file},
                 {"tokens", first.tokens},
                 {"windows", first.windows},
                 {"ctx_size", scorer.window_tokens()},
                 {"isa", device::name(cpu.isa())},
                 {"threads", cpu.team().size()}};
  object.update(sweep_json(sweep));
  write_json(object);
}

int sweep_and_print(const SweepCommand& command) {
  const CommonOptions& common = command.common;
  Sweep sweep = {.model = common.model,
                 .file = command.text.file,
                 .reference = command.reference,
                 .dimensions = {},
                 .gains = gains_of(command),
                 .rows = {}};
  // Without --method or bits of its own, those that show the transition.
  const std::vector<Precision> precisions =
      common.asked.method || common.activation_bits ? precisions_of(common) : sweep_methods(common);
  check_page_file(command.html, "--html");
  check_page_file(command.svg, "--svg");
  device::Cpu cpu = open_cpu(common);
  TextScorer scorer(cpu, common, command.text, read_text(command.text, common),
                    {.reference = linear::parse_method(command.reference).value(),
                     .resume = command.resume,
                     .command = "octet sweep"});
  sweep.dimensions = command.dimensions
                         ? split_numbers<int32_t>(*command.dimensions, "--dimensions")
                         : spread_dimensions(command.count, scorer.architecture().hidden_size);
  run_sweep(scorer, precisions, sweep);
  write_pictures(command, sweep);
  if (common.json) {
    print_json(scorer, cpu, sweep);
  } else {
    write_out(sweep_text(sweep));
  }
  return 0;
}

}  // namespace

void add_sweep(CLI::App& app, Action& action) {
  auto command = std::make_shared<SweepCommand>();
  command->common.method = "fp32,absmax,absmax-vectorwise,zeropoint-vectorwise,llm-int8";
  CLI::App* sub = app.add_subcommand("sweep", "Score methods on planted outliers of growing size");
  sub->footer(kExamples);
  add_common_options(*sub, command->common,
                     {.method_list = true,
                      .context = "Tokens of a window (default: 512, or the model's if fewer)",
                      .seed = false});
  add_text_options(*sub, command->text);
  const auto option = [sub](const char* name, auto& value, const char* text, const char* type) {
    return sub->add_option(name, value, text)->group("Sweep")->type_name(type);
  };
  option("--gains", command->gains, "Powers of two; 1 is the model as it is", "G,H,…")
      ->capture_default_str();
  option("--dimensions", command->dimensions, "Of the hidden state, from 0, with commas", "I,J,…");
  option("--count", command->count, "Without --dimensions: so many, spread evenly", "N")
      ->capture_default_str()
      ->check(number_in(1, 1e6));
  option("--reference", command->reference, "What the others are compared with, unplanted",
         "METHOD")
      ->capture_default_str()
      ->check(CLI::IsMember(method_names()));
  option("--html", command->html, "Write a page with tables and plots", "FILE");
  option("--svg", command->svg, "Write the plot of perplexity", "FILE");
  option("--resume", command->resume,
         "Keep finished cells here, and take those of earlier runs from it", "FILE");
  sub->callback([command, &action] {
    action = [command] {
      try {
        return sweep_and_print(*command);
      } catch (const Interrupted&) {
        if (command->resume)
          fmt::print(stderr, "octet: finished cells are in {}; the same command goes on\n",
                     *command->resume);
        throw;
      }
    };
  });
}

}  // namespace octet::cli

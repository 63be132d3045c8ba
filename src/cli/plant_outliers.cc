// octet plant-outliers: writes a model of the same function with outlier features of chosen size.
#include "model/load/plant_outliers.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/report.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples =
    R"(In every layer the norms in front of the blocks are multiplied by the gain in these dimensions
of the hidden state, and the weights that read them are divided by it: the same function, whose
activations int8 finds harder. A 16-bit tensor that cannot hold the quotients becomes float32. A
Hugging Face directory gives one, a .gguf file a directory with model.gguf.

Examples:
  octet plant-outliers -m model/ -o planted --dimensions 44,465,429 --gain 32
  octet perplexity -m planted -f text.txt --method all --outliers batch --reference fp32)";

struct PlantCommand {
  CommonOptions common;
  std::string output;
  std::string dimensions;
  float gain = 32;
};

/// A check that multiplying by a number only moves the exponent.
CLI::Validator power_of_two() {
  return CLI::Validator(
      [](std::string& value) {
        const double number = std::strtod(value.c_str(), nullptr);
        int exponent = 0;
        const bool power = std::frexp(number, &exponent) == 0.5;
        if (power && number >= 2 && number <= 65536) return std::string();
        return value + " is no power of two from 2 to 65536";
      },
      "");
}

int run_plant(const PlantCommand& command) {
  model::PlantOptions options{
      .dimensions = split_numbers<int32_t>(command.dimensions, "--dimensions"),
      .gain = command.gain,
      .progress = {}};
  Progress progress("planting");
  options.progress = [&progress](double share) {
    throw_if_interrupted();
    progress.update(share);
  };
  const model::Planted planted =
      model::plant_outliers(command.common.model, command.output, options);
  progress.finish();
  if (command.common.json) {
    write_json(Json{{"model", command.common.model},
                    {"output", command.output},
                    {"dimensions", options.dimensions},
                    {"gain", command.gain},
                    {"norms", planted.norms},
                    {"matrices", planted.matrices},
                    {"widened", planted.widened}});
    return 0;
  }
  std::string text = fmt::format("{}: {} norms × {} in {} dimensions, {} matrices ÷ {}",
                                 command.output, planted.norms, command.gain,
                                 options.dimensions.size(), planted.matrices, command.gain);
  if (planted.widened > 0) {
    text += fmt::format("; {} tensors became float32 to stay exact", planted.widened);
  }
  write_out(text + "\n");
  return 0;
}

}  // namespace

void add_plant_outliers(CLI::App& app, Action& action) {
  auto command = std::make_shared<PlantCommand>();
  CLI::App* sub =
      app.add_subcommand("plant-outliers", "Write the same model with planted outlier features");
  sub->footer(kExamples);
  add_common_options(*sub, command->common, {.precision = false, .device = false, .seed = false});
  sub->add_option("-o,--output", command->output, "New or empty directory")
      ->required()
      ->type_name("DIR");
  sub->add_option("--dimensions", command->dimensions, "Of the hidden state, from 0, with commas")
      ->required()
      ->type_name("I,J,…");
  sub->add_option("--gain", command->gain, "How much larger they become: a power of two")
      ->type_name("G")
      ->capture_default_str()
      ->check(power_of_two());
  sub->callback([command, &action] { action = [command] { return run_plant(*command); }; });
}

}  // namespace octet::cli

// octet continuations: greedy texts of methods beside those of the 16-bit model, and what parses.
#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/continuations_report.h"
#include "cli/report.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples =
    R"(Continues prompts greedily with each method and with the 16-bit reference, compares them token by
token, and counts what parses. Prompts are our own (four each of prose, Python and JSON) or those
of --prompts, JSON lines: {"kind": "prose|python|json|code", "text": "…", "name": "…"}.
JSON is parsed up to the end of its first value, Python up to the end of the block that the prompt
began, by python3's own parser where it is installed. Nothing that was generated is run.

Examples:
  octet continuations -m model.gguf
  octet continuations -m model/ --method llm-int8,absmax-vectorwise --json
  octet continuations -m model/ --prompts prompts.jsonl -n 64)";

struct ContinuationsCommand {
  CommonOptions common;
  std::optional<std::string> prompts;
  std::string reference = "fp16";
  int64_t tokens = 256;
};

int run_command(const ContinuationsCommand& command) {
  const std::vector<linear::Precision> precisions = precisions_of(command.common);
  ContinuationsRun run = {.prompts = command.prompts ? evaluate::read_prompts(*command.prompts)
                                                     : evaluate::own_prompts(),
                          .tokens = command.tokens};
  device::Cpu cpu = open_cpu(command.common);
  run_continuations(cpu, command.common, linear::parse_method(command.reference).value(),
                    precisions, run);
  if (!command.common.json) {
    write_out(continuations_text(run));
    return 0;
  }
  write_json({{"model", command.common.model},
              {"reference", command.reference},
              {"tokens", run.tokens},
              {"isa", device::name(cpu.isa())},
              {"threads", cpu.team().size()},
              {"methods", continuations_json(run)}});
  return 0;
}

}  // namespace

void add_continuations(CLI::App& app, Action& action) {
  auto command = std::make_shared<ContinuationsCommand>();
  command->common.method = "bf16,llm-int8";  // how far another 16-bit arithmetic goes, and int8
  CLI::App* sub = app.add_subcommand("continuations",
                                     "Compare generated texts with the 16-bit model's, check JSON "
                                     "and code");
  sub->footer(kExamples);
  add_common_options(*sub, command->common, {.method_list = true, .seed = false});
  const auto option = [sub](const char* name, auto& value, const char* text, const char* type) {
    return sub->add_option(name, value, text)->group("Continuations")->type_name(type);
  };
  option("--prompts", command->prompts, "JSON lines with kind and text (default: our own)", "FILE");
  option("-n,--tokens", command->tokens, "Tokens of a continuation at most", "N")
      ->capture_default_str()
      ->check(number_in(1, 1e6));
  option("--reference", command->reference, "What the others are compared with", "METHOD")
      ->capture_default_str()
      ->check(CLI::IsMember(method_names()));
  sub->callback([command, &action] { action = [command] { return run_command(*command); }; });
}

}  // namespace octet::cli

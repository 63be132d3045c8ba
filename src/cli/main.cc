// The octet command: reads the command line, runs a subcommand, turns errors into exit statuses.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <csignal>
#include <exception>
#include <new>
#include <string>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "octet/error.h"

namespace octet::cli {
namespace {

constexpr int kExitError = 1;
constexpr int kExitUsage = 2;

constexpr const char* kExamples = R"(Examples:
  octet generate -m model.gguf -p "The capital of France is"
  octet inspect -m model/
  octet plan --config config.json --memory 24GiB --devices 8
  octet quantize -m model/ -o model-int8
  octet perplexity -m model/ -f text.txt --method llm-int8,bf16 --reference fp32
  octet eval -m model/ --task lambada --data lambada.jsonl
  octet outliers -m model/ -f text.txt --html outliers.html
  octet report -m model/ -f text.txt --html report.html
  octet bench -m model/

octet COMMAND --help says more about each.)";

int report_error(std::string message, int status) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  fmt::print(stderr, "octet: error: {}\n", message);
  return status;
}

/// "octet generate" when a subcommand was named, else "octet".
std::string command_name(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? "octet" : "octet " + chosen.front()->get_name();
}

int report_usage(const CLI::App& app, const std::string& message) {
  return report_error(message + " (see " + command_name(app) + " --help)", kExitUsage);
}

int run(int argc, char** argv) {
  CLI::App app("LLM.int8(): runs 16/32-bit transformer checkpoints in int8", "octet");
  app.set_version_flag("--version", std::string("octet ") + OCTET_VERSION);
  app.footer(kExamples);
  app.require_subcommand(1);
  Action action;
  add_generate(app, action);
  add_perplexity(app, action);
  add_eval(app, action);
  add_quantize(app, action);
  add_report(app, action);
  add_continuations(app, action);
  add_sweep(app, action);
  add_plant_outliers(app, action);
  add_outliers(app, action);
  add_threshold(app, action);
  add_inspect(app, action);
  add_plan(app, action);
  add_bench(app, action);
  add_devices(app, action);
  add_families(app, action);
  add_completion(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    write_out(app.help());
    return 0;
  } catch (const CLI::CallForVersion& version) {
    write_out(std::string(version.what()) + "\n");
    return 0;
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error.what());
  }
  try {
    return action();
  } catch (const UsageError& error) {
    return report_usage(app, error.what());
  }
}

}  // namespace
}  // namespace octet::cli

int main(int argc, char** argv) {
  using namespace octet::cli;
  // A reader that goes away (| head) ends the program quietly, whatever the parent ignored.
  signal(SIGPIPE, SIG_DFL);
  catch_interrupts();
  try {
    return run(argc, argv);
  } catch (const Interrupted&) {
    return kExitInterrupted;
  } catch (const octet::Error& error) {
    return report_error(error.what(), kExitError);
  } catch (const std::bad_alloc&) {
    return report_error("out of memory", kExitError);
  } catch (const std::exception& error) {
    return report_error(error.what(), kExitError);
  }
}

// What main and the subcommands share: how a subcommand joins the program, and usage errors.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <stdexcept>

namespace octet::cli {

/// Arguments that cannot be meant: reported with a hint to --help, exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the chosen subcommand does once the whole command line is read; returns the exit status.
using Action = std::function<int()>;

/// Each adds its subcommand to `app`; parsing a command line that names it sets `action`.
void add_generate(CLI::App& app, Action& action);
void add_perplexity(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
void add_quantize(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_continuations(CLI::App& app, Action& action);
void add_sweep(CLI::App& app, Action& action);
void add_plant_outliers(CLI::App& app, Action& action);
void add_outliers(CLI::App& app, Action& action);
void add_threshold(CLI::App& app, Action& action);
void add_inspect(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_devices(CLI::App& app, Action& action);
void add_families(CLI::App& app, Action& action);
/// Reads the options of every subcommand of `app`, so it has to be added last.
void add_completion(CLI::App& app, Action& action);

}  // namespace octet::cli

// octet serve: a model behind OpenAI's HTTP API, with a page to chat on.
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/loading.h"
#include "cli/options.h"
#include "cli/report.h"
#include "server/server.h"

namespace octet::cli {
namespace {

using std::chrono::milliseconds;

constexpr const char* kExamples = R"(Examples:
  octet serve -m model.gguf
  octet serve -m model/ --host 0.0.0.0 --port 8000 --api-key secret
  OCTET_API_KEY=secret octet serve -m model/ --parallel 8 -c 2048
  curl http://127.0.0.1:8080/v1/completions -d '{"prompt": "Once upon a time", "max_tokens": 32}'

SIGTERM and Ctrl-C finish what was accepted, within --stop-time. A second
one ends it at once, and tells its clients; a third kills.)";

constexpr int64_t kDefaultContext = 4096;

struct ServeCommand {
  CommonOptions common;
  server::ServerOptions server;
  std::string alias;
  runtime::SchedulerOptions scheduler;
  double request_s = 600;
  double client_s = 30;
  double stop_s = 30;
  double body_mb = 8;
};

milliseconds duration(double seconds) {
  return milliseconds(static_cast<int64_t>(seconds * 1000));
}

/// The name of the model in requests: --alias, else what its path ends with.
std::string served_name(const ServeCommand& command) {
  if (!command.alias.empty()) return command.alias;
  std::filesystem::path path = std::filesystem::path(command.common.model).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string name =
      path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
  return name.empty() || name == "." || name == ".." ? "model" : name;
}

void log_line(const std::string& line) {
  // Whole lines, and no exception when nobody reads them.
  const std::string text = "octet: " + line + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
}

/// Where clients reach the server, for people and, with --json, for scripts.
void announce(const ServeCommand& command, int port, const std::string& name) {
  const std::string& host = command.server.host;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  const std::string url = fmt::format("http://{}:{}", is_ipv6 ? "[" + host + "]" : host, port);
  if (command.common.json) {
    write_json({{"url", url}, {"host", host}, {"port", port}, {"model", name}});
  }
  log_line(fmt::format("listening on {}; /health answers 200 once {} is loaded", url, name));
  if (command.server.api_key.empty() && host != "127.0.0.1" && host != "::1" && host != "localhost")
    log_line("warning: everyone who reaches " + host + " may use this server; see --api-key");
}

/// No request outlives the engine, however serving ends.
class StopAtEnd {
 public:
  explicit StopAtEnd(server::Server& server) : server_(server) {}
  ~StopAtEnd() { server_.stop(milliseconds(0)); }
  StopAtEnd(const StopAtEnd&) = delete;
  StopAtEnd& operator=(const StopAtEnd&) = delete;

 private:
  server::Server& server_;
};

void serve_model(const ServeCommand& command, server::Server& server, const std::string& name) {
  device::Cpu cpu = open_cpu(command.common);
  const runtime::SchedulerOptions& scheduler = command.scheduler;
  LoadedModel model = load_model(
      cpu, command.common, single_precision(command.common),
      {.workloads = [&](const model::Architecture& architecture) -> std::vector<runtime::Workload> {
        return {{.context = planned_context(command.common, architecture, kDefaultContext),
                 .sequences = scheduler.sequences,
                 .both_widths = true,
                 .most_rows = scheduler.sequences + scheduler.chunk}};
      }});
  server::EngineOptions options = {
      .name = name, .scheduler = command.scheduler, .request_time = duration(command.request_s)};
  options.scheduler.context =
      context_size(command.common, model.loaded.model.architecture(), kDefaultContext);
  server::Engine engine(model.loaded, cpu, options);
  const StopAtEnd stop(server);
  server.serve(engine);
  log_line(fmt::format("{} loaded in {:.2f} s ({}, weights {}, in 16 bits {}); ready", name,
                       model.seconds, linear::name(model.loaded.model.precision().method),
                       size_text(model.loaded.model.weights().bytes()),
                       size_text(model.loaded.weights_bytes_16bit)));
  while (!interrupted()) std::this_thread::sleep_for(milliseconds(50));
  log_line(fmt::format("stopping; at most {} s for what was accepted, at once with Ctrl-C again",
                       command.stop_s));
  auto stopping = std::async(std::launch::async, [&] { server.stop(duration(command.stop_s)); });
  while (stopping.wait_for(milliseconds(50)) != std::future_status::ready) {
    if (interrupted_again()) server.hurry();
  }
  stopping.get();
  log_line("stopped");
}

int run_serve(ServeCommand& command) {
  single_precision(command.common);
  command.server.client_time = duration(command.client_s);
  command.server.body_bytes = static_cast<size_t>(command.body_mb * 1e6);
  if (command.common.verbose) command.server.log = log_line;
  const std::string name = served_name(command);
  catch_termination();
  server::Server server(command.server);
  announce(command, server.start(), name);
  try {
    serve_model(command, server, name);
  } catch (const Interrupted&) {
    log_line("stopped before the model was loaded");
  }
  return 0;
}

void add_limit_options(CLI::App& app, ServeCommand& command) {
  const auto option = [&app](const char* name, auto& value, const char* text, double low,
                             double high) {
    app.add_option(name, value, text)
        ->group("Limits")
        ->type_name("N")
        ->capture_default_str()
        ->check(number_in(low, high));
  };
  option("--parallel", command.scheduler.sequences, "Sequences computed together", 1, 1024);
  option("--queue", command.scheduler.queue_limit, "Sequences that wait; more get 429", 1, 1 << 20);
  option("--connections", command.server.most_connections, "Open connections; more get 503", 1,
         10'000);
  option("--body", command.body_mb, "Largest request, MB; more gets 413", 0.001, 1000);
  option("--request-time", command.request_s, "Seconds for one answer, waiting included", 0.001,
         1e6);
  option("--client-time", command.client_s,
         "Seconds for a client to send a request, and to take in more of an answer", 0.1, 1e6);
  option("--stop-time", command.stop_s, "Seconds to finish in when stopped", 0, 1e6);
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto command = std::make_shared<ServeCommand>();
  CLI::App* sub = app.add_subcommand("serve", "Serve a model over HTTP, as OpenAI's API");
  sub->footer(kExamples);
  add_common_options(
      *sub, command->common,
      {.context = "Tokens of a sequence at most (default: the model's, at most 4096)",
       .seed = false});
  sub->add_option("--host", command->server.host, "Address to listen on; 0.0.0.0: all")
      ->group("Server")
      ->type_name("ADDRESS")
      ->capture_default_str();
  sub->add_option("--port", command->server.port, "Port to listen on; 0: a free one")
      ->group("Server")
      ->type_name("N")
      ->capture_default_str()
      ->check(number_in(0, 65535));
  sub->add_option("--api-key", command->server.api_key,
                  "Ask clients for this key; better given in the environment, where others do not "
                  "see it")
      ->group("Server")
      ->type_name("KEY")
      ->envname("OCTET_API_KEY");
  sub->add_option("--alias", command->alias,
                  "The model's name in requests (default: what its path ends with)")
      ->group("Server")
      ->type_name("NAME");
  add_limit_options(*sub, *command);
  sub->callback([command, &action] { action = [command] { return run_serve(*command); }; });
}

}  // namespace octet::cli

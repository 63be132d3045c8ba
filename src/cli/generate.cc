// octet generate: reads a prompt, streams the model's continuation.
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "chat/model_chat.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/loading.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/sampling_options.h"
#include "runtime/session.h"
#include "tokenizer/tokenizer.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples = R"(Examples:
  octet generate -m model.gguf -p "The capital of France is" -n 32
  octet generate -m model/ -f prompt.txt --temp 0 --json
  echo "Once upon a time" | octet generate -m model/ --method bf16
  octet generate -m model/ --prompt-ids 1,403,407 -n 8 --temp 0
  octet generate -m model/ --chat --system "You answer in one sentence." -p "What is the capital of France?")";

constexpr int64_t kDefaultContext = 4096;

struct GenerateCommand {
  CommonOptions common;
  std::optional<std::string> prompt;
  std::optional<std::string> prompt_file;
  std::optional<std::string> prompt_ids;
  int64_t max_tokens = 128;
  runtime::Sampling sampling;
  bool ignore_eos = false;
  bool chat = false;
  std::optional<std::string> system;
};

std::string read_stdin() {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    wait_for_input(STDIN_FILENO);
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("standard input cannot be read: {}", std::strerror(errno));
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

/// The prompt's text: -p, the file of -f, or what is piped in.
std::string prompt_text(const GenerateCommand& command) {
  if (command.prompt) return *command.prompt;
  if (command.prompt_file && *command.prompt_file != "-") return read_file(*command.prompt_file);
  const bool asked = command.prompt_file.has_value();
  std::string text;
  if (asked || ::isatty(STDIN_FILENO) == 0) text = read_stdin();
  if (text.empty() && !asked)
    throw UsageError("no prompt: give -p TEXT, -f FILE or --prompt-ids, or pipe text in");
  return text;
}

const chat::ModelChat& chat_of(const model::Loaded& loaded) {
  if (loaded.chat == nullptr) fail("{}; leave --chat out", loaded.chat_problem);
  return *loaded.chat;
}

/// The one message of --chat.
chat::Conversation conversation(const GenerateCommand& command, const std::string& text) {
  std::vector<chat::Message> messages;
  if (command.system) messages.push_back({"system", *command.system});
  messages.push_back({"user", text});
  chat::Conversation conversation;
  conversation.messages = chat::messages_json(messages);
  return conversation;
}

std::vector<int32_t> prompt_tokens(const GenerateCommand& command, const std::string& text,
                                   const model::Loaded& loaded) {
  if (!command.prompt_ids) {
    const tokenizer::Tokenizer& tokenizer =
        need_tokenizer(loaded, command.common, "give --prompt-ids instead of text");
    std::vector<int32_t> ids =
        command.chat
            ? chat_of(loaded).encode(conversation(command, text), chat::local_time(), tokenizer)
            : tokenizer.encode(text, {.add_special = true, .parse_special = true});
    if (ids.empty()) fail("the prompt is empty and this model's tokenizer adds no start token");
    return ids;
  }
  std::vector<int32_t> ids = split_numbers<int32_t>(*command.prompt_ids, "--prompt-ids");
  const int64_t vocabulary = loaded.model.architecture().vocabulary_size;
  for (int32_t id : ids) {
    if (id >= vocabulary)
      fail("--prompt-ids: {} lies outside the model's vocabulary of {}", id, vocabulary);
  }
  return ids;
}

/// What the prompt and its answer take at most: a token is a byte of the prompt at least.
int64_t most_positions(const GenerateCommand& command, const std::string& text,
                       const model::Architecture& architecture) {
  constexpr int64_t kTemplateTokens = 256;  // around a message
  const int64_t prompt =
      command.prompt_ids
          ? std::ssize(split_numbers<int32_t>(*command.prompt_ids, "--prompt-ids"))
          : std::ssize(text) + (command.system ? std::ssize(*command.system) : 0) + kTemplateTokens;
  return std::min(planned_context(command.common, architecture, kDefaultContext),
                  prompt + command.max_tokens);
}

/// Turns tokens into text as they come, keeps what --json prints, and streams otherwise.
class Output {
 public:
  Output(const tokenizer::Tokenizer* tokenizer, std::span<const int32_t> prompt, bool stream)
      : ids_only_(tokenizer == nullptr), stream_(stream) {
    if (ids_only_) return;
    decoder_ = std::make_unique<tokenizer::StreamDecoder>(*tokenizer);
    // The text goes on where the prompt's ends: its first space is not the start of a text.
    for (const int32_t token : prompt) decoder_->push(token);
  }

  void push(int32_t token) {
    std::string piece;
    if (ids_only_) {
      if (stream_) write_out(fmt::format("{}{}", pieces_.empty() ? "" : " ", token));
    } else {
      piece = decoder_->push(token);
      if (stream_ && !piece.empty()) write_out(piece);
    }
    pieces_.push_back(std::move(piece));
  }

  void finish() {
    std::string rest;
    if (!ids_only_) rest = decoder_->finish();
    if (!rest.empty() && !pieces_.empty()) pieces_.back() += rest;
    // The shell's prompt should start on a line of its own.
    const std::string all = text();
    if (stream_) write_out(rest + (all.empty() || all.back() != '\n' ? "\n" : ""));
  }

  /// Text of each token: what became readable with it.
  const std::vector<std::string>& pieces() const { return pieces_; }
  std::string text() const {
    std::string all;
    for (const std::string& piece : pieces_) all += piece;
    return all;
  }

 private:
  bool ids_only_;
  bool stream_;
  std::unique_ptr<tokenizer::StreamDecoder> decoder_;
  std::vector<std::string> pieces_;
};

/// What the summary and the JSON object are made of.
struct Outcome {
  const GenerateCommand& command;
  const LoadedModel& model;
  device::Cpu& cpu;
  const std::vector<int32_t>& prompt;
  const runtime::Generated& generated;
  const Output& output;
  int64_t kv_cache_bytes = 0;
  const char* stopped = "";

  const linear::Precision& precision() const { return model.loaded.model.precision(); }
  double prompt_rate() const {
    return rate(static_cast<int64_t>(prompt.size()), generated.prompt_s);
  }
  /// The first token comes out of the prompt's pass.
  double decode_rate() const {
    const auto count = static_cast<int64_t>(generated.tokens.size());
    return rate(std::max<int64_t>(count - 1, 0), generated.decode_s);
  }
};

void print_summary(const Outcome& outcome) {
  const model::Loaded& loaded = outcome.model.loaded;
  fmt::print(stderr,
             "octet: {} loaded in {:.2f} s; prompt {} tokens in {:.2f} s ({:.1f} tokens/s); "
             "{} tokens in {:.2f} s ({:.1f} tokens/s)\n",
             linear::name(outcome.precision().method), outcome.model.seconds, outcome.prompt.size(),
             outcome.generated.prompt_s, outcome.prompt_rate(), outcome.generated.tokens.size(),
             outcome.generated.decode_s, outcome.decode_rate());
  fmt::print(stderr,
             "octet: weights {} (in 16 bits {}), KV cache {}, peak memory {}; stopped: {}\n",
             size_text(loaded.model.weights().bytes()), size_text(loaded.weights_bytes_16bit),
             size_text(outcome.kv_cache_bytes), size_text(peak_rss_bytes()), outcome.stopped);
}

void print_json(const Outcome& outcome) {
  const model::Loaded& loaded = outcome.model.loaded;
  Json tokens = Json::array();
  for (size_t i = 0; i < outcome.generated.tokens.size(); ++i)
    tokens.push_back({{"id", outcome.generated.tokens[i]},
                      {"logprob", outcome.generated.logprobs[i]},
                      {"text", outcome.output.pieces()[i]}});
  Json object;
  object["model"] = outcome.command.common.model;
  object["method"] = linear::name(outcome.precision().method);
  object["activation_bits"] = activation_bits_of(outcome.precision());
  object["isa"] = device::name(outcome.cpu.isa());
  object["threads"] = outcome.cpu.team().size();
  object["seed"] = outcome.command.sampling.seed;
  object["prompt_ids"] = outcome.prompt;
  object["tokens"] = std::move(tokens);
  object["text"] = outcome.output.text();
  object["stopped"] = outcome.stopped;
  object["timing"] = {{"load_s", outcome.model.seconds},
                      {"prompt_s", outcome.generated.prompt_s},
                      {"prompt_tokens_per_s", outcome.prompt_rate()},
                      {"decode_s", outcome.generated.decode_s},
                      {"decode_tokens_per_s", outcome.decode_rate()}};
  object["memory"] = {{"weights_bytes", loaded.model.weights().bytes()},
                      {"weights_bytes_16bit", loaded.weights_bytes_16bit},
                      {"kv_cache_bytes", outcome.kv_cache_bytes},
                      {"peak_rss_bytes", peak_rss_bytes()}};
  write_json(object);
}

int run_generate(const GenerateCommand& command) {
  const linear::Precision precision = single_precision(command.common);
  if (command.prompt.has_value() + command.prompt_file.has_value() +
          command.prompt_ids.has_value() >
      1)
    throw UsageError("-p, -f and --prompt-ids exclude each other");
  if (command.chat && command.prompt_ids)
    throw UsageError("--chat takes a message's text, not --prompt-ids");
  if (command.system && !command.chat) throw UsageError("--system needs --chat");
  std::string text;
  if (!command.prompt_ids) text = prompt_text(command);
  device::Cpu cpu = open_cpu(command.common);
  LoadedModel model = load_model(
      cpu, command.common, precision,
      {.workloads = [&](const model::Architecture& architecture) -> std::vector<runtime::Workload> {
        return {{.context = most_positions(command, text, architecture)}};
      }});
  model::Loaded& loaded = model.loaded;

  const std::vector<int32_t> prompt = prompt_tokens(command, text, loaded);
  const auto length = static_cast<int64_t>(prompt.size());
  const int64_t context =
      context_size(command.common, loaded.model.architecture(), kDefaultContext);
  const int64_t room = context - length;
  if (room < 1)
    fail(
        "the prompt has {} tokens, the context room for {} with one to generate; shorten it or "
        "raise -c",
        length, context - 1);

  runtime::GenerateOptions options;
  options.max_tokens = std::min(command.max_tokens, room);
  options.sampling = command.sampling;
  options.ignore_eos = command.ignore_eos;
  options.activation_bits = loaded.model.precision().activation_bits;
  options.stop_early = interrupted;
  if (command.chat)
    options.end_tokens = chat_of(loaded).end_of_turn(chat::local_time(), *loaded.tokenizer);
  runtime::Session session(loaded.model, cpu, length + options.max_tokens);

  // What an encoder-decoder writes does not go on from its prompt.
  const bool continues = !loaded.model.architecture().encoder_decoder();
  Output output(loaded.tokenizer.get(), continues ? std::span(prompt) : std::span<const int32_t>(),
                !command.common.json);
  const runtime::Generated generated =
      runtime::generate(session, loaded.model, prompt, options, [&output](int32_t token, float) {
        output.push(token);
        return !interrupted();
      });
  output.finish();

  const bool full = command.max_tokens > room;
  const Outcome outcome = {.command = command,
                           .model = model,
                           .cpu = cpu,
                           .prompt = prompt,
                           .generated = generated,
                           .output = output,
                           .kv_cache_bytes = session.kv_cache_bytes(),
                           .stopped = interrupted()     ? "interrupted"
                                      : generated.ended ? "end"
                                      : full            ? "context"
                                                        : "length"};
  if (command.common.json) print_json(outcome);
  print_summary(outcome);
  return interrupted() ? kExitInterrupted : 0;
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  auto command = std::make_shared<GenerateCommand>();
  CLI::App* sub = app.add_subcommand("generate", "Continue a prompt");
  sub->footer(kExamples);
  add_common_options(*sub, command->common,
                     {.context = "Tokens of context (default: the model's, at most 4096)"});
  const auto prompt = [sub](const char* names, auto& value, const char* text, const char* type) {
    sub->add_option(names, value, text)->group("Prompt (one of)")->type_name(type);
  };
  prompt("-p,--prompt", command->prompt, "The text itself", "TEXT");
  prompt("-f,--file", command->prompt_file, "A file that holds it; - is standard input", "FILE");
  prompt("--prompt-ids", command->prompt_ids, "Token ids, with commas", "IDS");
  sub->add_flag("--chat", command->chat,
                "The prompt is a message to answer, put into words by the model's chat template")
      ->group("Chat");
  sub->add_option("--system", command->system, "With --chat: a system message before it")
      ->group("Chat")
      ->type_name("TEXT");
  sub->add_option("-n,--n-predict", command->max_tokens, "Tokens to generate at most")
      ->type_name("N")
      ->capture_default_str()
      ->check(number_in(1, 1 << 30));
  add_sampling_options(*sub, command->sampling, command->ignore_eos);
  sub->callback([command, &action] {
    command->sampling.seed = command->common.seed;
    action = [command] { return run_generate(*command); };
  });
}

}  // namespace octet::cli

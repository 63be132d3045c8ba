// octet chat: a conversation in the terminal, or one message per line of a pipe.
#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "chat/model_chat.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/line_input.h"
#include "cli/loading.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/sampling_options.h"
#include "runtime/scheduler.h"
#include "tokenizer/tokenizer.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples = R"(Examples:
  octet chat -m model.gguf
  octet chat -m model/ --system "You answer in one sentence." --temp 0
  printf 'What is int8?\nAnd int4?\n' | octet chat -m model/ --json

In the terminal Ctrl-C stops an answer, Ctrl-C at the prompt or Ctrl-D ends. From a pipe every line
is a message, and each answer is written to standard output as it comes.)";

constexpr const char* kCommands = R"(/help           this list
/reset          forget the conversation (the system message stays)
/system [TEXT]  a system message from now on; without TEXT none
/save FILE      write the conversation to a new JSON file
/quit           end, as Ctrl-D does
//TEXT          a message that begins with a slash
)";

constexpr int64_t kDefaultContext = 4096;

struct ChatCommand {
  CommonOptions common;
  int64_t max_tokens = 1024;
  runtime::Sampling sampling;
  bool ignore_eos = false;
  std::optional<std::string> system;
};

/// What was said so far.
struct History {
  std::optional<std::string> system;
  std::vector<chat::Message> turns;

  std::vector<chat::Message> messages() const {
    std::vector<chat::Message> all;
    if (system) all.push_back({"system", *system});
    all.insert(all.end(), turns.begin(), turns.end());
    return all;
  }
};

/// One answer and what there is to say about it.
struct Answer {
  std::string text;
  std::string stopped;
  runtime::EndEvent end;
};

/// Talks to the model: puts the history into words, streams what it answers.
class Partner {
 public:
  Partner(const ChatCommand& command, LoadedModel& model, device::Cpu& cpu)
      : command_(command),
        chat_(chat_of(model.loaded)),
        tokenizer_(need_tokenizer(model.loaded, command.common, "octet chat needs one")),
        bits_(model.loaded.model.precision().activation_bits),
        context_(context_size(command.common, model.loaded.model.architecture(), kDefaultContext)) {
    const InterruptsHeldBack held_back;
    scheduler_ = std::make_unique<runtime::Scheduler>(
        model.loaded.model, cpu,
        runtime::SchedulerOptions{.context = context_, .sequences = 1, .queue_limit = 1});
  }

  int64_t context() const { return context_; }

  /// Answers the last message; `show` gets the text piece by piece. Ctrl-C stops it.
  template <typename Show>
  Answer answer(const History& history, const Show& show) {
    runtime::Request request;
    request.prompt = tokens(history);
    request.max_tokens = command_.max_tokens;
    request.sampling = command_.sampling;
    request.ignore_eos = command_.ignore_eos;
    request.end_tokens = chat_.end_of_turn(chat::local_time(), tokenizer_);
    request.activation_bits = bits_;
    // The text goes on where the prompt's ends: its first space is not the start of a text.
    tokenizer::StreamDecoder decoder(tokenizer_);
    for (const int32_t token : request.prompt) decoder.push(token);
    const int64_t room = context_ - std::ssize(request.prompt);
    runtime::Stream stream = scheduler_->submit(std::move(request));
    Answer answer;
    const auto say = [&](const std::string& piece) {
      answer.text += piece;
      if (!piece.empty()) show(piece);
    };
    for (;;) {
      const std::optional<runtime::Event> event =
          stream.next(runtime::Clock::now() + std::chrono::milliseconds(50));
      if (interrupted()) stream.cancel();
      if (!event) continue;
      if (const auto* token = std::get_if<runtime::TokenEvent>(&*event)) {
        say(decoder.push(token->token));
      } else if (const auto* end = std::get_if<runtime::EndEvent>(&*event)) {
        say(decoder.finish());
        answer.end = *end;
        break;
      }
    }
    if (answer.end.reason == runtime::Reason::error) fail("{}", answer.end.error);
    answer.stopped = stopped(answer.end, room);
    return answer;
  }

 private:
  static const chat::ModelChat& chat_of(const model::Loaded& loaded) {
    if (loaded.chat == nullptr)
      fail("{}; octet generate continues plain text", loaded.chat_problem);
    return *loaded.chat;
  }

  std::vector<int32_t> tokens(const History& history) const {
    chat::Conversation conversation;
    conversation.messages = chat::messages_json(history.messages());
    std::vector<int32_t> ids = chat_.encode(conversation, chat::local_time(), tokenizer_);
    if (std::ssize(ids) >= context_)
      fail(
          "the conversation has {} tokens with this message, the context {}: /reset begins a new "
          "one, -c makes room for longer ones",
          ids.size(), context_);
    return ids;
  }

  /// The words of octet generate.
  static const char* stopped(const runtime::EndEvent& end, int64_t room) {
    if (end.reason == runtime::Reason::cancelled) return "interrupted";
    if (end.reason == runtime::Reason::stop) return "end";
    return end.tokens == room ? "context" : "length";
  }

  const ChatCommand& command_;
  const chat::ModelChat& chat_;
  const tokenizer::Tokenizer& tokenizer_;
  int bits_;
  int64_t context_;
  std::unique_ptr<runtime::Scheduler> scheduler_;
};

double prompt_rate(const runtime::EndEvent& end) {
  return rate(end.prompt_tokens - end.shared_tokens, end.prompt_s);
}

/// The first token comes out of the prompt's pass.
double decode_rate(const runtime::EndEvent& end) {
  return rate(std::max<int64_t>(end.tokens - 1, 0), end.decode_s);
}

void print_json(const Answer& answer) {
  Json object;
  object["text"] = answer.text;
  object["stopped"] = answer.stopped;
  object["prompt_tokens"] = answer.end.prompt_tokens;
  object["shared_tokens"] = answer.end.shared_tokens;
  object["tokens"] = answer.end.tokens;
  object["timing"] = {{"prompt_s", answer.end.prompt_s},
                      {"prompt_tokens_per_s", prompt_rate(answer.end)},
                      {"decode_s", answer.end.decode_s},
                      {"decode_tokens_per_s", decode_rate(answer.end)}};
  write_json(object);
}

/// The conversation as its user leads it.
class Dialogue {
 public:
  Dialogue(const ChatCommand& command, Partner& partner, const LineInput& input)
      : command_(command), partner_(partner), terminal_(input.terminal()) {
    history_.system = command.system;
  }

  /// False when the user wants to end.
  bool take(std::string line) {
    if (line.find_first_not_of(" \t") == std::string::npos) return true;
    try {
      if (line.starts_with("//")) return say(line.substr(1));
      if (line.front() == '/') return obey(line);
      return say(std::move(line));
    } catch (const Error& error) {
      // A script must see that something went wrong; a person can mend it.
      if (!terminal_) throw;
      fmt::print(stderr, "octet: {}\n", error.what());
      return true;
    }
  }

 private:
  bool obey(const std::string& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, space);
    const size_t begin = std::min(line.find_first_not_of(' ', space), line.size());
    const std::string rest = line.substr(begin);
    if (name == "/quit" || name == "/exit" || name == "/bye") return false;
    if (name == "/help") {
      fmt::print(stderr, "{}", kCommands);
    } else if (name == "/reset") {
      history_.turns.clear();
      note("the conversation begins anew");
    } else if (name == "/system") {
      history_.system = rest.empty() ? std::nullopt : std::optional(rest);
      note(rest.empty() ? "no system message from now on" : "the system message is set");
    } else if (name == "/save") {
      save(rest);
    } else {
      fail("no command {}: /help lists them; // begins a message with a slash", name);
    }
    return true;
  }

  bool say(std::string text) {
    history_.turns.push_back({"user", std::move(text)});
    Answer answer;
    try {
      answer = partner_.answer(history_, [&](const std::string& piece) {
        if (!command_.common.json) write_out(piece);
      });
    } catch (const Error&) {
      history_.turns.pop_back();
      throw;
    }
    history_.turns.push_back({"assistant", answer.text});
    if (command_.common.json) {
      print_json(answer);
    } else {
      write_out(answer.text.ends_with('\n') ? "" : "\n");
    }
    report(answer);
    if (!interrupted()) return true;
    if (!terminal_) throw Interrupted{};
    forget_interrupt();
    return true;
  }

  void report(const Answer& answer) const {
    const runtime::EndEvent& end = answer.end;
    if (answer.stopped == "context")
      note(fmt::format(
          "the context of {} tokens is full: /reset begins a new conversation, -c makes "
          "room for longer ones",
          partner_.context()));
    if (answer.stopped == "length") note(fmt::format("stopped after {} tokens (-n)", end.tokens));
    if (answer.stopped == "interrupted") note("stopped");
    if (!command_.common.verbose) return;
    note(
        fmt::format("{} tokens in {:.2f} s ({:.1f} tokens/s); prompt {} tokens, {} of them known, "
                    "in {:.2f} s ({:.1f} tokens/s)",
                    end.tokens, end.decode_s, decode_rate(end), end.prompt_tokens,
                    end.shared_tokens, end.prompt_s, prompt_rate(end)));
  }

  void save(const std::string& file) const {
    if (file.empty()) fail("/save needs the name of a file");
    if (std::filesystem::exists(file)) fail("{}: exists already; give another name", file);
    Json object;
    object["model"] = command_.common.model;
    object["messages"] = Json::parse(chat::messages_json(history_.messages()));
    write_file(file, object.dump(2) + "\n");
    note(fmt::format("{} messages saved in {}", object["messages"].size(), file));
  }

  static void note(const std::string& text) { fmt::print(stderr, "octet: {}\n", text); }

  const ChatCommand& command_;
  Partner& partner_;
  bool terminal_;
  History history_;
};

int run_chat(const ChatCommand& command) {
  const linear::Precision precision = single_precision(command.common);
  std::unique_ptr<device::Cpu> cpu;
  {
    const InterruptsHeldBack held_back;
    cpu.reset(new device::Cpu(open_cpu(command.common)));  // it cannot be moved
  }
  LoadedModel model = load_model(*cpu, command.common, precision);
  Partner partner(command, model, *cpu);
  LineInput input;
  Dialogue dialogue(command, partner, input);
  if (input.terminal())
    fmt::print(stderr, "octet: {}, {}, context of {} tokens; /help lists the commands\n",
               command.common.model, linear::name(precision.method), partner.context());
  for (;;) {
    if (input.terminal()) fmt::print(stderr, "> ");
    std::optional<std::string> line;
    try {
      line = input.next();
    } catch (const Interrupted&) {
      if (input.terminal()) fmt::print(stderr, "\n");
      throw;
    }
    if (!line) {
      if (input.terminal()) fmt::print(stderr, "\n");
      return 0;
    }
    if (!dialogue.take(std::move(*line))) return 0;
  }
}

}  // namespace

void add_chat(CLI::App& app, Action& action) {
  auto command = std::make_shared<ChatCommand>();
  CLI::App* sub = app.add_subcommand("chat", "Talk to a model in the terminal");
  sub->footer(kExamples);
  add_common_options(*sub, command->common,
                     {.context = "Tokens of context (default: the model's, at most 4096)"});
  sub->add_option("--system", command->system, "A system message before the conversation")
      ->group("Chat")
      ->type_name("TEXT");
  sub->add_option("-n,--n-predict", command->max_tokens, "Tokens of an answer at most")
      ->group("Chat")
      ->type_name("N")
      ->capture_default_str()
      ->check(number_in(1, 1 << 30));
  add_sampling_options(*sub, command->sampling, command->ignore_eos);
  sub->callback([command, &action] {
    command->sampling.seed = command->common.seed;
    action = [command] { return run_chat(*command); };
  });
}

}  // namespace octet::cli

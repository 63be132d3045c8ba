// octet completion: shell completions, generated from the options the other commands declare.
#include <fmt/core.h>

#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/report.h"

namespace octet::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  source <(octet completion bash)
  octet completion zsh > ~/.zfunc/_octet
  octet completion fish > ~/.config/fish/completions/octet.fish)";

/// What an option's value is completed with.
enum class Value { none, file, directory, choice, other };

struct Flag {
  std::vector<std::string> names;  ///< with their hyphens
  std::string description;
  Value value = Value::none;
  std::vector<std::string> choices;
};

struct Command {
  std::string name;
  std::string description;
  std::vector<Flag> flags;
  std::vector<std::string> words;  ///< choices of its argument without a name
};

/// The choices in a type name such as "METHOD:{fp32,fp16}".
std::vector<std::string> choices_in(const std::string& type) {
  std::vector<std::string> choices;
  const size_t open = type.find('{');
  const size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return choices;
  for (size_t begin = open + 1; begin < close;) {
    const size_t end = std::min(type.find(',', begin), close);
    choices.push_back(type.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

Flag flag_of(const CLI::Option& option) {
  Flag flag;
  for (const std::string& name : option.get_snames()) flag.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) flag.names.push_back("--" + name);
  flag.description = option.get_description();
  if (option.get_items_expected_max() == 0) return flag;
  const std::string type = option.get_type_name();
  flag.choices = choices_in(type);
  flag.value = !flag.choices.empty()                    ? Value::choice
               : type == "DIR"                          ? Value::directory
               : type.find("FILE") != std::string::npos ? Value::file
               : type == "PATH"                         ? Value::file
                                                        : Value::other;
  return flag;
}

/// Adds the visible options of `app`.
void collect(const CLI::App& app, Command& command) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    if (option->nonpositional()) {
      command.flags.push_back(flag_of(*option));
    } else {
      command.words = choices_in(option->get_type_name());
    }
  }
}

std::vector<Command> commands_of(const CLI::App& app) {
  std::vector<Command> commands;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    Command command = {sub->get_name(), sub->get_description(), {}, {}};
    collect(*sub, command);
    commands.push_back(std::move(command));
  }
  return commands;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!joined.empty()) joined += separator;
    joined += part;
  }
  return joined;
}

/// `text` inside single quotes of a shell, with `extra` characters escaped by a backslash too.
std::string shell_quoted(std::string_view text, std::string_view extra = "") {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      if (extra.find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out + "'";
}

std::string names_of(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const Command& command : commands) names.push_back(command.name);
  return join(names, " ");
}

std::string bash_case(const Flag& flag) {
  std::string action = "COMPREPLY=();";
  if (flag.value == Value::choice)
    action = fmt::format("COMPREPLY=($(compgen -W {} -- \"$current\"));",
                         shell_quoted(join(flag.choices, " ")));
  if (flag.value == Value::file) action = "COMPREPLY=($(compgen -f -- \"$current\"));";
  if (flag.value == Value::directory) action = "COMPREPLY=($(compgen -d -- \"$current\"));";
  return fmt::format("        {}) {} return ;;\n", join(flag.names, "|"), action);
}

std::string bash_script(const std::vector<Command>& commands) {
  std::string script =
      "_octet() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  compopt -o filenames 2>/dev/null\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    COMPREPLY=($(compgen -W '" +
      names_of(commands) +
      " --help --version' -- \"$current\"))\n"
      "    return\n"
      "  fi\n"
      "  case ${COMP_WORDS[1]} in\n";
  for (const Command& command : commands) {
    std::vector<std::string> words = command.words;
    script += fmt::format("    {})\n      case $previous in\n", command.name);
    for (const Flag& flag : command.flags) {
      if (flag.value != Value::none) script += bash_case(flag);
      words.insert(words.end(), flag.names.begin(), flag.names.end());
    }
    script +=
        fmt::format("      esac\n      COMPREPLY=($(compgen -W {} -- \"$current\"))\n      ;;\n",
                    shell_quoted(join(words, " ")));
  }
  return script + "  esac\n}\ncomplete -F _octet octet\n";
}

std::string zsh_argument(const Flag& flag) {
  std::string action;
  if (flag.value == Value::choice) action = ":value:(" + join(flag.choices, " ") + ")";
  if (flag.value == Value::file) action = ":file:_files";
  if (flag.value == Value::directory) action = ":directory:_files -/";
  if (flag.value == Value::other) action = ":value: ";
  std::string text;
  for (const std::string& name : flag.names) {
    const std::string spec = shell_quoted(name + "[", ":") +
                             shell_quoted(flag.description, "[]:\\") + shell_quoted("]" + action);
    text += "        " + spec + " \\\n";
  }
  return text;
}

std::string zsh_script(const std::vector<Command>& commands) {
  std::string script = "#compdef octet\n_octet() {\n  local -a commands\n  commands=(\n";
  for (const Command& command : commands)
    script += fmt::format("    {}\n", shell_quoted(command.name + ":" + command.description));
  script +=
      "  )\n"
      "  if ((CURRENT == 2)); then\n"
      "    _describe command commands\n"
      "    _arguments '--help[Say more]' '--version[Print the version]'\n"
      "    return\n"
      "  fi\n"
      "  local command=${words[2]}\n"
      "  shift words\n"
      "  ((CURRENT--))\n"
      "  case $command in\n";
  for (const Command& command : commands) {
    script += fmt::format("    {})\n      _arguments \\\n", command.name);
    for (const Flag& flag : command.flags) script += zsh_argument(flag);
    if (!command.words.empty())
      script += "        '1:word:(" + join(command.words, " ") + ")' \\\n";
    script += "        && return\n      ;;\n";
  }
  return script +
         "  esac\n}\nif [[ $funcstack[1] == _octet ]]; then\n  _octet \"$@\"\nelse\n"
         "  compdef _octet octet\nfi\n";
}

std::string fish_option(const Command& command, const Flag& flag) {
  std::string line =
      fmt::format("complete -c octet -n '__fish_seen_subcommand_from {}'", command.name);
  for (const std::string& name : flag.names)
    line += name[1] == '-' ? " -l " + name.substr(2) : " -s " + name.substr(1);
  line += " -d " + shell_quoted(flag.description, "\\");
  if (flag.value == Value::choice) line += " -x -a " + shell_quoted(join(flag.choices, " "));
  if (flag.value == Value::file) line += " -r -F";
  if (flag.value == Value::directory) line += " -x -a '(__fish_complete_directories)'";
  if (flag.value == Value::other) line += " -x";
  return line + "\n";
}

std::string fish_script(const std::vector<Command>& commands) {
  std::string script = "complete -c octet -f\n";
  for (const Command& command : commands)
    script += fmt::format("complete -c octet -n __fish_use_subcommand -a {} -d {}\n", command.name,
                          shell_quoted(command.description, "\\"));
  script += "complete -c octet -n __fish_use_subcommand -l version -d 'Print the version'\n";
  for (const Command& command : commands) {
    if (!command.words.empty())
      script += fmt::format("complete -c octet -n '__fish_seen_subcommand_from {}' -a '{}'\n",
                            command.name, join(command.words, " "));
    for (const Flag& flag : command.flags) script += fish_option(command, flag);
  }
  return script;
}

}  // namespace

void add_completion(CLI::App& app, Action& action) {
  auto shell = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("completion", "Print shell completions");
  sub->footer(kExamples);
  sub->add_option("shell", *shell, "Which shell")
      ->required()
      ->type_name("SHELL")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  sub->callback([shell, &app, &action] {
    action = [shell, &app] {
      const std::vector<Command> commands = commands_of(app);
      write_out(*shell == "bash"  ? bash_script(commands)
                : *shell == "zsh" ? zsh_script(commands)
                                  : fish_script(commands));
      return 0;
    };
  });
}

}  // namespace octet::cli

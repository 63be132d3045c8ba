// Another program as a child process: text in, text out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octet {

struct Finished {
  bool succeeded = false;  ///< it ended by itself with status 0
  std::string output;      ///< all of its standard output
  std::string messages;    ///< the beginning of its standard error, 500 bytes at most
};

/// Runs `arguments` (the first is the program, looked for in PATH; no shell) with `input` as its
/// standard input, which is a temporary file, and waits for its end. Ctrl-C is held back from it:
/// what to do about that is octet's to decide. Nothing when there is no such program. Throws Error
/// when it cannot be started.
std::optional<Finished> run_program(std::vector<std::string> arguments, std::string_view input);

}  // namespace octet

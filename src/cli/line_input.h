// Lines of standard input, from a terminal or a pipe.
#pragma once

#include <optional>
#include <string>

namespace octet::cli {

class LineInput {
 public:
  LineInput();
  bool terminal() const { return terminal_; }
  /// The next line without its end; nothing at the end of the input. Throws Interrupted when Ctrl-C
  /// is pressed while it waits, Error when reading fails or a line has more than 16 MB.
  std::optional<std::string> next();

 private:
  bool terminal_;
  bool ended_ = false;
  std::string buffer_;
};

}  // namespace octet::cli

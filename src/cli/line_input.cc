// Lines of standard input, from a terminal or a pipe.
#include "cli/line_input.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "cli/interrupt.h"

namespace octet::cli {
namespace {

constexpr size_t kLongestLine = 16'000'000;

std::string without_return(std::string line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

}  // namespace

LineInput::LineInput() : terminal_(::isatty(STDIN_FILENO) == 1) {}

std::optional<std::string> LineInput::next() {
  for (size_t searched = 0;;) {
    const size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return without_return(std::move(line));
    }
    if (ended_) {
      if (buffer_.empty()) return std::nullopt;
      return without_return(std::exchange(buffer_, {}));
    }
    searched = buffer_.size();
    if (searched > kLongestLine)
      fail("standard input: a line of more than {} MB", kLongestLine / 1'000'000);
    char bytes[1 << 16];
    wait_for_input(STDIN_FILENO);
    const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("standard input cannot be read: {}", std::strerror(errno));
    ended_ = got == 0;
    buffer_.append(bytes, static_cast<size_t>(got));
  }
}

}  // namespace octet::cli

// Starting gnuplot with its commands in a temporary file and reading the drawing from a pipe.
#include "report/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.h"

extern char** environ;

namespace octet::report {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File temporary_file() {
  File file(std::tmpfile(), &std::fclose);
  if (file == nullptr) fail("no temporary file for gnuplot: {}", std::strerror(errno));
  return file;
}

/// One end of a pipe.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 1 << 16> buffer{};
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count > 0) text.append(buffer.data(), static_cast<size_t>(count));
    if (count == 0) return text;
    if (count < 0 && errno != EINTR) fail("gnuplot: {}", std::strerror(errno));
  }
}

/// Starts gnuplot; Ctrl-C is for octet, which decides what to do about it.
pid_t start(int commands, int drawing, int messages) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, commands, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, drawing, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGINT);
  posix_spawnattr_setsigmask(&attributes, &held);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::array<char, 8> name = {"gnuplot"};
  std::array<char*, 2> arguments = {name.data(), nullptr};
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, name.data(), &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    fail("gnuplot, which draws the plots, is not installed; apt-get install gnuplot-nox");
  }
  if (error != 0) fail("gnuplot cannot be started: {}", std::strerror(error));
  return child;
}

std::string first_lines_of(std::FILE* file) {
  std::rewind(file);
  std::array<char, 500> buffer{};
  const size_t count = std::fread(buffer.data(), 1, buffer.size(), file);
  return {buffer.data(), count};
}

}  // namespace

std::string run_gnuplot(std::string_view commands) {
  const File script = temporary_file();
  const File messages = temporary_file();
  if (std::fwrite(commands.data(), 1, commands.size(), script.get()) != commands.size() ||
      std::fflush(script.get()) != 0 || ::lseek(::fileno(script.get()), 0, SEEK_SET) != 0) {
    fail("gnuplot's commands cannot be written to a temporary file: {}", std::strerror(errno));
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("no pipe for gnuplot: {}", std::strerror(errno));
  const Descriptor output(ends[0]);
  Descriptor input(ends[1]);
  const pid_t child = start(::fileno(script.get()), input.number(), ::fileno(messages.get()));
  input.close();
  std::string drawing = read_all(output.number());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fail("gnuplot failed: {}", first_lines_of(messages.get()));
  }
  return drawing;
}

std::string gnuplot_string(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
  }
  return quoted + "'";
}

}  // namespace octet::report

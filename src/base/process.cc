// Another program as a child process: its input in a temporary file, its output from a pipe.
#include "base/process.h"

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

namespace octet {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File temporary_file(const std::string& program) {
  File file(std::tmpfile(), &std::fclose);
  if (file == nullptr) fail("no temporary file for {}: {}", program, std::strerror(errno));
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

std::string read_all(int descriptor, const std::string& program) {
  std::string text;
  std::array<char, 1 << 16> buffer{};
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count > 0) text.append(buffer.data(), static_cast<size_t>(count));
    if (count == 0) return text;
    if (count < 0 && errno != EINTR) fail("{}: {}", program, std::strerror(errno));
  }
}

/// The descriptors that become a child's standard ones.
struct Standard {
  int input;
  int output;
  int error;
};

/// Nothing when there is no such program.
std::optional<pid_t> start(std::vector<std::string>& arguments, const Standard& standard) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, standard.input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, standard.output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, standard.error, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGINT);
  posix_spawnattr_setsigmask(&attributes, &held);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, pointers[0], &actions, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) return std::nullopt;
  if (error != 0) fail("{} cannot be started: {}", arguments[0], std::strerror(error));
  return child;
}

std::string beginning_of(std::FILE* file) {
  std::rewind(file);
  std::array<char, 500> buffer{};
  const size_t count = std::fread(buffer.data(), 1, buffer.size(), file);
  return {buffer.data(), count};
}

}  // namespace

std::optional<Finished> run_program(std::vector<std::string> arguments, std::string_view input) {
  OCTET_CHECK(!arguments.empty());
  const std::string program = arguments[0];
  const File given = temporary_file(program);
  const File messages = temporary_file(program);
  if (std::fwrite(input.data(), 1, input.size(), given.get()) != input.size() ||
      std::fflush(given.get()) != 0 || ::lseek(::fileno(given.get()), 0, SEEK_SET) != 0) {
    fail("{}'s input cannot be written to a temporary file: {}", program, std::strerror(errno));
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    fail("no pipe for {}: {}", program, std::strerror(errno));
  }
  const Descriptor output(ends[0]);
  Descriptor written(ends[1]);
  const std::optional<pid_t> child = start(arguments, {.input = ::fileno(given.get()),
                                                       .output = written.number(),
                                                       .error = ::fileno(messages.get())});
  if (!child) return std::nullopt;
  written.close();
  Finished finished;
  finished.output = read_all(output.number(), program);
  int status = 0;
  while (::waitpid(*child, &status, 0) < 0 && errno == EINTR) {
  }
  finished.succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  finished.messages = beginning_of(messages.get());
  return finished;
}

}  // namespace octet

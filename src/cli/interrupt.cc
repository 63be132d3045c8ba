// Ctrl-C as a flag that long computations look at.
#include "cli/interrupt.h"

#include <atomic>
#include <csignal>

namespace octet::cli {
namespace {

std::atomic<bool> pressed{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may use it

void on_interrupt(int) {
  pressed.store(true, std::memory_order_relaxed);
}

}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  // Without SA_RESTART, waiting for standard input ends too.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
}

bool interrupted() {
  return pressed.load(std::memory_order_relaxed);
}

void throw_if_interrupted() {
  if (interrupted()) throw Interrupted{};
}

}  // namespace octet::cli

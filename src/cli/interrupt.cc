// Ctrl-C as a flag that long computations look at.
#include "cli/interrupt.h"

#include <poll.h>

#include <atomic>
#include <csignal>

namespace octet::cli {
namespace {

std::atomic<bool> pressed{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may use it

void on_interrupt(int) {
  pressed.store(true, std::memory_order_relaxed);
}

void catch_signal(int number) {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

}  // namespace

void catch_interrupts() {
  catch_signal(SIGINT);
}

void catch_termination() {
  catch_signal(SIGTERM);
}

bool interrupted() {
  return pressed.load(std::memory_order_relaxed);
}

void forget_interrupt() {
  pressed.store(false, std::memory_order_relaxed);
  catch_interrupts();
}

namespace {

void mask_interrupts(int how) {
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(how, &interrupt, nullptr);
}

}  // namespace

InterruptsHeldBack::InterruptsHeldBack() {
  mask_interrupts(SIG_BLOCK);
}

InterruptsHeldBack::~InterruptsHeldBack() {
  mask_interrupts(SIG_UNBLOCK);
}

void throw_if_interrupted() {
  if (interrupted()) throw Interrupted{};
}

void wait_for_input(int descriptor) {
  // Outside ppoll the signal is held back: pressed just before the wait, it would not end it.
  sigset_t interrupt;
  sigset_t before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &before);
  pollfd poll = {.fd = descriptor, .events = POLLIN, .revents = 0};
  if (!interrupted()) ppoll(&poll, 1, nullptr, &before);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  throw_if_interrupted();
}

}  // namespace octet::cli

// Ctrl-C as a flag that long computations look at.
#include "cli/interrupt.h"

#include <poll.h>

#include <atomic>
#include <csignal>

namespace octet::cli {
namespace {

std::atomic<bool> pressed{false};
std::atomic<bool> pressed_again{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may use it

void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

void on_interrupt(int) {
  pressed.store(true, std::memory_order_relaxed);
}

void on_termination(int) {
  if (!pressed.exchange(true, std::memory_order_relaxed)) return;
  pressed_again.store(true, std::memory_order_relaxed);
  handle(SIGINT, SIG_DFL, 0);
  handle(SIGTERM, SIG_DFL, 0);
}

}  // namespace

void catch_interrupts() {
  handle(SIGINT, on_interrupt, static_cast<int>(SA_RESETHAND));
}

void catch_termination() {
  handle(SIGINT, on_termination, 0);
  handle(SIGTERM, on_termination, 0);
}

bool interrupted() {
  return pressed.load(std::memory_order_relaxed);
}

bool interrupted_again() {
  return pressed_again.load(std::memory_order_relaxed);
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

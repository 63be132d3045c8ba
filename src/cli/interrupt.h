// Ctrl-C: the first asks the running command to stop cleanly, the second kills the process.
#pragma once

namespace octet::cli {

inline constexpr int kExitInterrupted = 130;

/// Thrown to leave a computation after Ctrl-C; main turns it into exit status 130.
struct Interrupted {};

/// From now on SIGINT sets a flag once; after that it has its default effect again.
void catch_interrupts();

/// SIGTERM counts as Ctrl-C, the second of either is a flag of its own, and the third kills.
void catch_termination();

/// Whether Ctrl-C was pressed.
bool interrupted();

/// After catch_termination: whether it was pressed again.
bool interrupted_again();

/// Throws Interrupted when Ctrl-C was pressed.
void throw_if_interrupted();

/// The computation that was to stop has stopped: the flag is down, the next SIGINT sets it again.
void forget_interrupt();

/// While it lives, threads that start are left alone by SIGINT: it goes to the one that waits for
/// input.
class InterruptsHeldBack {
 public:
  InterruptsHeldBack();
  ~InterruptsHeldBack();
  InterruptsHeldBack(const InterruptsHeldBack&) = delete;
  InterruptsHeldBack& operator=(const InterruptsHeldBack&) = delete;
};

/// Waits until `descriptor` has something to read or has ended; throws Interrupted when Ctrl-C was
/// or is pressed. For the only thread of the process that SIGINT may go to.
void wait_for_input(int descriptor);

}  // namespace octet::cli

// Continuous batching: the thread that runs steps, and what it shares with those who submit.
#include "runtime/scheduler.h"

#include "base/error.h"

namespace octet::runtime {

class Scheduler::Implementation {};

Scheduler::Scheduler(model::Model&, device::Cpu&, const SchedulerOptions&) {
  fail("the scheduler is not there yet");
}
Scheduler::~Scheduler() = default;

Stream Scheduler::submit(Request) {
  fail("the scheduler is not there yet");
}
void Scheduler::shutdown(Clock::time_point) {}
Statistics Scheduler::statistics() const {
  return {};
}
int64_t Scheduler::context() const {
  return 0;
}
int64_t Scheduler::longest_prompt(int64_t) const {
  return 0;
}

}  // namespace octet::runtime

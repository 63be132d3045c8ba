// The mailbox between the scheduler's thread and the owner of a request.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "runtime/request.h"

namespace octet::runtime {

class Stream::State {
 public:
  void push(Event event);
  std::optional<Event> pop(std::optional<Clock::time_point> until);
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Event> events_;
};

}  // namespace octet::runtime

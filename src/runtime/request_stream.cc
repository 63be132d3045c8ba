// The mailbox between the scheduler's thread and the owner of a request.
#include "runtime/request_stream.h"

namespace octet::runtime {

const char* name(Reason reason) {
  switch (reason) {
    case Reason::stop:
      return "stop";
    case Reason::length:
      return "length";
    case Reason::cancelled:
      return "cancelled";
    case Reason::error:
      break;
  }
  return "error";
}

void Stream::State::push(Event event) {
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  arrived_.notify_one();
}

std::optional<Event> Stream::State::pop(std::optional<Clock::time_point> until) {
  std::unique_lock lock(mutex_);
  const auto some = [this] { return !events_.empty(); };
  if (!until) {
    arrived_.wait(lock, some);
  } else if (!arrived_.wait_until(lock, *until, some)) {
    return std::nullopt;
  }
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Stream::Stream(std::shared_ptr<State> state) : state_(std::move(state)) {}

Stream::~Stream() {
  if (state_ != nullptr) state_->cancel();
}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (state_ != nullptr && state_ != other.state_) state_->cancel();
  state_ = std::move(other.state_);
  return *this;
}

Event Stream::next() {
  return *state_->pop(std::nullopt);
}

std::optional<Event> Stream::next(Clock::time_point until) {
  return state_->pop(until);
}

void Stream::cancel() {
  state_->cancel();
}

}  // namespace octet::runtime

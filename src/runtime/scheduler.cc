// Continuous batching: the thread that runs steps, and what it shares with those who submit.
#include "runtime/scheduler.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "runtime/batch.h"

namespace octet::runtime {

namespace {

SchedulerOptions checked(const model::Architecture& architecture, SchedulerOptions options) {
  if (architecture.encoder_decoder())
    fail("{} models have an encoder; only decoders can run in a scheduler", architecture.family);
  if (options.context < 1 || options.sequences < 1 || options.queue_limit < 0 ||
      options.pages < 0 || options.chunk < 1)
    fail("scheduler: context, sequences and chunk must be at least 1, the others at least 0");
  if (architecture.has_position_table() && options.context > architecture.max_positions)
    fail("scheduler: a context of {}; the model has {} positions", options.context,
         architecture.max_positions);
  return options;
}

EndEvent shut_down() {
  return {.reason = Reason::error,
          .kind = ErrorKind::shutting_down,
          .error = "the scheduler shuts down"};
}

}  // namespace

class Scheduler::Implementation {
 public:
  Implementation(model::Model& model, device::Cpu& cpu, const SchedulerOptions& options)
      : architecture_(model.architecture()),
        options_(checked(architecture_, options)),
        batch_(model, cpu, options_),
        pages_(batch_.statistics().pages),
        published_(batch_.statistics()),
        thread_([this] { work(); }) {}

  Stream submit(Request asked);
  void shutdown(Clock::time_point deadline);
  Statistics statistics() const;
  int64_t context() const { return options_.context; }
  int64_t longest_prompt(int64_t max_tokens) const;

 private:
  std::shared_ptr<Stream::State> enqueue(Request asked);
  void work();
  bool wait_for_work();
  void admit();
  void publish();

  const model::Architecture& architecture_;
  SchedulerOptions options_;
  Batch batch_;  ///< the thread's alone
  int64_t pages_;

  mutable std::mutex mutex_;  ///< of all below
  std::condition_variable changed_;
  std::deque<std::unique_ptr<ActiveRequest>> queue_;
  std::optional<Clock::time_point> closing_;  ///< when what is left is given up
  std::vector<EndedRequest> ended_;           ///< without having run
  Statistics published_;
  Histogram queue_seconds_ = seconds_histogram();
  std::array<int64_t, kReasons> finished_{};
  int64_t refused_ = 0;

  std::mutex joining_;
  std::thread thread_;  ///< last: what it uses is there before it
};

Stream Scheduler::Implementation::submit(Request asked) {
  try {
    return Stream(enqueue(std::move(asked)));
  } catch (const Refused&) {
    const std::lock_guard lock(mutex_);
    ++refused_;
    throw;
  }
}

std::shared_ptr<Stream::State> Scheduler::Implementation::enqueue(Request asked) {
  auto request = std::make_unique<ActiveRequest>(std::move(asked), architecture_, options_.context);
  const int64_t needed = Batch::pages_for(*request);
  if (needed > pages_) {
    throw Refused(
        ErrorKind::does_not_fit,
        fmt::format("prompt and max_tokens need {} pages of the KV cache, which has {}; ask for "
                    "fewer tokens",
                    needed, pages_));
  }
  std::shared_ptr<Stream::State> state = request->stream;
  {
    const std::lock_guard lock(mutex_);
    if (closing_) throw Refused(ErrorKind::shutting_down, shut_down().error);
    if (std::ssize(queue_) >= options_.queue_limit)
      throw Refused(ErrorKind::queue_full,
                    fmt::format("{} requests wait already; try again later", queue_.size()));
    queue_.push_back(std::move(request));
  }
  changed_.notify_all();
  return state;
}

void Scheduler::Implementation::work() {
  while (wait_for_work()) {
    batch_.remove_given_up();
    admit();
    if (!batch_.empty()) batch_.step();
    publish();
  }
  batch_.end_all(shut_down());
  publish();
}

/// False when the thread has to stop.
bool Scheduler::Implementation::wait_for_work() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closing_ || !queue_.empty() || !batch_.empty(); });
  if (!closing_) return true;
  const bool idle = queue_.empty() && batch_.empty();
  if (!idle && Clock::now() < *closing_) return true;
  for (auto& request : queue_) {
    EndEvent event = request->ended(shut_down(), Clock::now());
    ended_.push_back({std::move(request), std::move(event)});
  }
  queue_.clear();
  return false;
}

void Scheduler::Implementation::admit() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  std::erase_if(queue_, [&](std::unique_ptr<ActiveRequest>& request) {
    std::optional<EndEvent> event = request->given_up(now);
    if (event) {
      *event = request->ended(std::move(*event), now);
      ended_.push_back({std::move(request), std::move(*event)});
    }
    return event.has_value();
  });
  while (!queue_.empty()) {
    const auto submitted = queue_.front()->submitted;
    if (!batch_.admit(queue_.front())) break;
    queue_.pop_front();
    queue_seconds_.add(std::chrono::duration<double>(now - submitted).count());
  }
}

/// Counts first and tells afterwards: who has been told finds it in the statistics.
void Scheduler::Implementation::publish() {
  std::vector<EndedRequest> ended = batch_.take_ended();
  {
    const std::lock_guard lock(mutex_);
    std::ranges::move(ended_, std::back_inserter(ended));
    ended_.clear();
    for (const EndedRequest& each : ended) ++finished_[static_cast<size_t>(each.event.reason)];
    published_ = batch_.statistics();
  }
  for (EndedRequest& each : ended) each.request->stream->push(std::move(each.event));
}

void Scheduler::Implementation::shutdown(Clock::time_point deadline) {
  {
    const std::lock_guard lock(mutex_);
    closing_ = std::min(closing_.value_or(deadline), deadline);
  }
  changed_.notify_all();
  const std::lock_guard lock(joining_);
  if (thread_.joinable()) thread_.join();
}

Statistics Scheduler::Implementation::statistics() const {
  const std::lock_guard lock(mutex_);
  Statistics statistics = published_;
  statistics.queued = std::ssize(queue_);
  statistics.queue_seconds = queue_seconds_;
  statistics.finished = finished_;
  statistics.refused = refused_;
  return statistics;
}

int64_t Scheduler::Implementation::longest_prompt(int64_t max_tokens) const {
  const int64_t positions = std::min(options_.context, pages_ * ops::kPagePositions + 1);
  return max_tokens > 0 ? positions - max_tokens
                        : std::min(options_.context, pages_ * ops::kPagePositions);
}

Scheduler::Scheduler(model::Model& model, device::Cpu& cpu, const SchedulerOptions& options)
    : implementation_(std::make_unique<Implementation>(model, cpu, options)) {}

Scheduler::~Scheduler() {
  shutdown(Clock::now());
}

Stream Scheduler::submit(Request request) {
  return implementation_->submit(std::move(request));
}
void Scheduler::shutdown(Clock::time_point deadline) {
  implementation_->shutdown(deadline);
}
Statistics Scheduler::statistics() const {
  return implementation_->statistics();
}
int64_t Scheduler::context() const {
  return implementation_->context();
}
int64_t Scheduler::longest_prompt(int64_t max_tokens) const {
  return implementation_->longest_prompt(max_tokens);
}

}  // namespace octet::runtime

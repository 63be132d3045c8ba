// The sequences that run together: who comes into a step, with how many rows, and what becomes of
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/active_request.h"
#include "runtime/scheduler.h"
#include "runtime/session.h"

namespace octet::runtime {

/// A request that has left the batch, and the last thing to tell its owner.
struct EndedRequest {
  std::unique_ptr<ActiveRequest> request;
  EndEvent event;
};

/// Belongs to one thread.
class Batch {
 public:
  Batch(model::Model& model, device::Cpu& cpu, const SchedulerOptions& options);

  bool empty() const { return running_.empty(); }
  /// Pages that a request needs at most.
  static int64_t pages_for(const ActiveRequest& request);
  /// Takes the request in when a sequence and memory are free for it; else leaves it.
  bool admit(std::unique_ptr<ActiveRequest>& request);
  /// Ends what its owner has cancelled or what took too long.
  void remove_given_up();
  /// Ends everything, with this.
  void end_all(const EndEvent& event);
  /// Runs one step for those whose turn it is. There must be some.
  void step();
  /// Those that ended since the last call, still to be told.
  std::vector<EndedRequest> take_ended() { return std::exchange(ended_, {}); }
  /// What a batch knows of it.
  Statistics statistics() const;

 private:
  /// A request's rows in a step.
  struct Part {
    ActiveRequest* request = nullptr;
    int64_t rows = 0;
    int64_t position = 0;  ///< of the first one
  };
  int64_t position(const ActiveRequest& request) const {
    return session_.position(request.sequence);
  }
  /// Tokens that it has and has not read.
  int64_t unread(const ActiveRequest& request) const {
    return std::ssize(request.tokens) - position(request);
  }
  int bits_of(const ActiveRequest& request) const;

  /// The cached page that the request could read next after `page` pages that `chain` stands for.
  std::optional<PagePool::Found> shared_page(const ActiveRequest& request, PagePool::Chain chain,
                                             int64_t page) const;
  void adopt_pages(ActiveRequest& request);
  void remember_pages(ActiveRequest& request);
  /// Pages that the running requests may still take.
  int64_t promised_pages() const;

  std::vector<Part> plan();
  void plan_prompts(std::vector<ActiveRequest*> reading, int64_t budget, std::vector<Part>& parts);
  bool waits_for_another(const ActiveRequest& request, const std::vector<Part>& parts) const;

  void run(std::vector<Part>& parts);
  void run_each_alone(std::vector<Part>& parts);
  void finish_rows(const std::vector<Part>& parts, tensor::MatrixView<float> logits);
  void finish_prompt(ActiveRequest& request);
  void accept(ActiveRequest& request, TokenEvent token);
  void end(ActiveRequest& request, EndEvent event);
  void count_step(const std::vector<Part>& parts, double seconds);

  device::Cpu& cpu_;
  const model::Model& model_;
  SchedulerOptions options_;
  bool whole_calls_;
  Session session_;
  std::vector<std::unique_ptr<ActiveRequest>> running_;  ///< in the order of admission
  std::vector<EndedRequest> ended_;
  int last_bits_ = 8;
  Statistics statistics_;
};

}  // namespace octet::runtime

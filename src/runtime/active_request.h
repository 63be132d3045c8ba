// A request inside the scheduler: what was asked, how far it is, and what its owner is told.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "runtime/page_pool.h"
#include "runtime/request_stream.h"
#include "runtime/session.h"

namespace octet::runtime {

struct ActiveRequest {
  /// Throws Refused when the request makes no sense for this model.
  ActiveRequest(Request asked, const model::Architecture& architecture, int64_t context);

  std::span<const int32_t> prompt() const { return request.prompt; }
  auto prompt_size() const { return static_cast<int64_t>(request.prompt.size()); }
  int64_t answer_size() const { return std::ssize(tokens) - prompt_size(); }
  /// Positions of the cache that it needs at most; its last token is never read.
  int64_t positions() const { return prompt_size() + std::max<int64_t>(most, 1) - 1; }
  bool is_end(int32_t token) const;
  /// Why it should go on no longer: cancelled by its owner, or past its deadline.
  std::optional<EndEvent> given_up(Clock::time_point now) const;
  /// Completes the event with what is known of the request.
  EndEvent ended(EndEvent event, Clock::time_point now) const;

  Request request;
  std::shared_ptr<Stream::State> stream = std::make_shared<Stream::State>();
  int64_t most;                    ///< tokens to generate
  std::vector<int32_t> ends;       ///< end the text
  std::vector<int32_t> forbidden;  ///< never chosen
  std::vector<int32_t> tokens;     ///< the prompt, then the answer
  Clock::time_point submitted = Clock::now();
  std::optional<Clock::time_point> started;      ///< admitted
  std::optional<Clock::time_point> prompt_read;  ///< its first token, if any, came with that
  Clock::time_point last_token;
  double longest_gap_s = 0;

  // While it is admitted.
  SequenceId sequence = 0;
  int64_t pages = 0;          ///< it may come to have
  PagePool::Chain chain = 0;  ///< what its first `chained_pages` pages hold
  int64_t chained_pages = 0;
  int64_t shared_tokens = 0;
  PromptEvent prompt_scores;
};

}  // namespace octet::runtime

// What a user of the scheduler asks for, and the stream of events that answers it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "octet/error.h"
#include "runtime/sampler.h"

namespace octet::runtime {

using Clock = std::chrono::steady_clock;

/// One sequence to continue, to score, or both. For n answers to one prompt submit n requests that
/// differ in `sequence`: they read what their prompts share once.
struct Request {
  std::vector<int32_t> prompt;  ///< at least one token
  /// Tokens to generate at most; what goes beyond the context is cut off, and the request then ends
  /// with Reason::length. 0: the prompt is read (and scored) only.
  int64_t max_tokens = 128;
  /// Random numbers depend on (sampling.seed, sequence, position) only, where position counts the
  /// tokens before: those of `octet generate` for sequence 0.
  Sampling sampling;
  uint64_t sequence = 0;
  /// End the text beside the model's own end tokens (a chat template's end of turn). Ids that the
  /// model does not have are ignored.
  std::vector<int32_t> end_tokens;
  /// No end token, of the model or of `end_tokens`, is ever chosen.
  bool ignore_eos = false;
  /// End the text too, whatever ignore_eos says.
  std::vector<int32_t> stop_tokens;
  int activation_bits = 16;  ///< 8 or 16, on the same weights; only llm-int8 knows the difference
  /// Log-probabilities (natural, of the model itself: before temperature, cuts and penalty) of the
  /// tokens, with so many of the most probable ones beside each, at most kMostTopLogprobs.
  /// Nothing: none are computed, which is faster.
  std::optional<int> top_logprobs;
  /// The prompt's own tokens are scored too, with as many alternatives; without `top_logprobs`,
  /// with none. Nothing of such a prompt is taken from the prefix cache.
  bool score_prompt = false;
  /// When the request is given up wherever it is: Reason::error, ErrorKind::timeout.
  std::optional<Clock::time_point> deadline;
};

inline constexpr int kMostTopLogprobs = 100;

struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;
};

/// The next token of the answer. A token that ends it is none of its tokens and has no event.
struct TokenEvent {
  int32_t token = 0;
  float logprob = 0;                   ///< 0 unless top_logprobs was given
  std::vector<TokenLogprob> top = {};  ///< descending, ties by id; the most probable first
};

/// The prompt's scores: one event, before the first token's.
struct PromptEvent {
  /// [prompt.size() − 1]: element i is of prompt[i + 1] after prompt[0 … i]; nothing precedes the
  /// first token.
  std::vector<TokenEvent> tokens;
};

enum class Reason : uint8_t {
  stop,       ///< an end token or stop token was chosen
  length,     ///< max_tokens or the context is reached
  cancelled,  ///< Stream::cancel, or nobody holds the stream any more
  error,      ///< EndEvent::error says what
};
inline constexpr int kReasons = 4;
/// "stop", "length", "cancelled", "error".
const char* name(Reason reason);

enum class ErrorKind : uint8_t {
  invalid,        ///< the request makes no sense: HTTP 400
  does_not_fit,   ///< longer than the context or than all of the KV cache: 400
  queue_full,     ///< as many requests wait as may: 429
  shutting_down,  ///< accepted before and not finished in time, or too late: 503
  timeout,        ///< Request::deadline has passed
  failed,         ///< a step failed on this sequence (not finite …); others are not affected: 500
};

/// The last event of every accepted request; there is always one.
struct EndEvent {
  Reason reason = Reason::stop;
  ErrorKind kind = ErrorKind::failed;  ///< of Reason::error
  std::string error = {};              ///< of Reason::error: one line
  /// Of Reason::stop: what was chosen, with the scores that a token of the answer would have.
  std::optional<TokenEvent> stop_token = {};
  int64_t prompt_tokens = 0;
  int64_t shared_tokens = 0;  ///< of the prompt, found in the cache rather than computed
  int64_t tokens = 0;         ///< token events before this one
  double queue_s = 0;         ///< from submission until the first step may hold it
  double prompt_s = 0;        ///< from then until the first token (or the end of the prompt)
  double decode_s = 0;        ///< from then on
  double longest_gap_s = 0;   ///< between two tokens; 0 with fewer than two
};

using Event = std::variant<PromptEvent, TokenEvent, EndEvent>;

/// A submitted request as its owner sees it. Events wait in it until they are read, so a slow
/// reader holds nobody up. Any thread may call; one at a time should read. Destroying it cancels.
class Stream {
 public:
  class State;  ///< what the scheduler's thread shares with the owner
  explicit Stream(std::shared_ptr<State> state);
  ~Stream();
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Waits for the next event. Not to be called after the EndEvent.
  Event next();
  /// The same, but gives up at `until`.
  std::optional<Event> next(Clock::time_point until);

  /// Asks for the end. The step that runs is finished first; then comes an EndEvent, of
  /// Reason::cancelled unless the request had ended by itself. At any time, also twice.
  void cancel();

 private:
  std::shared_ptr<State> state_;
};

/// Thrown by Scheduler::submit.
class Refused : public Error {
 public:
  Refused(ErrorKind kind, const std::string& message) : Error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace octet::runtime

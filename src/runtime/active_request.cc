// A request inside the scheduler: what was asked, how far it is, and what its owner is told.
#include "runtime/active_request.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octet::runtime {

namespace {

template <typename... Args>
[[noreturn]] void refuse(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Refused(kind, fmt::format(format, std::forward<Args>(args)...));
}

void check_sampling(const Sampling& sampling, int64_t vocabulary) {
  const auto between = [](float value, float low, float high) {
    return value >= low && value <= high;  // NaN is not
  };
  constexpr auto kKind = ErrorKind::invalid;
  if (!between(sampling.temperature, 0, 1e6f)) refuse(kKind, "temperature: must be at least 0");
  if (sampling.top_k < 0) refuse(kKind, "top_k: must be at least 0");
  if (!between(sampling.top_p, 0, 1)) refuse(kKind, "top_p: must lie between 0 and 1");
  if (!between(sampling.min_p, 0, 1)) refuse(kKind, "min_p: must lie between 0 and 1");
  if (!between(sampling.repeat_penalty, 1e-3f, 1e3f))
    refuse(kKind, "repeat_penalty: must lie between 0.001 and 1000");
  if (!between(sampling.presence_penalty, -1e6f, 1e6f) ||
      !between(sampling.frequency_penalty, -1e6f, 1e6f))
    refuse(kKind, "presence_penalty, frequency_penalty: must lie between -1e6 and 1e6");
  for (const auto& [token, bias] : sampling.logit_bias) {
    if (token < 0 || token >= vocabulary)
      refuse(kKind, "logit_bias: token id {} is outside the vocabulary of {}", token, vocabulary);
    if (!between(bias, -1e6f, 1e6f)) refuse(kKind, "logit_bias: must lie between -1e6 and 1e6");
  }
}

void check(const Request& request, int64_t vocabulary, int64_t context) {
  constexpr auto kInvalid = ErrorKind::invalid;
  if (request.prompt.empty()) refuse(kInvalid, "the prompt is empty: give at least one token");
  for (const int32_t token : request.prompt) {
    if (token < 0 || token >= vocabulary)
      refuse(kInvalid, "prompt: token id {} is outside the vocabulary of {}", token, vocabulary);
  }
  if (request.max_tokens < 0) refuse(kInvalid, "max_tokens: must be at least 0");
  if (request.activation_bits != 8 && request.activation_bits != 16)
    refuse(kInvalid, "activation_bits: {} is neither 8 nor 16", request.activation_bits);
  const int top = request.top_logprobs.value_or(0);
  if (top < 0 || top > kMostTopLogprobs)
    refuse(kInvalid, "logprobs: must lie between 0 and {}", kMostTopLogprobs);
  check_sampling(request.sampling, vocabulary);
  const auto length = std::ssize(request.prompt);
  if (length + (request.max_tokens > 0 ? 1 : 0) > context) {
    refuse(ErrorKind::does_not_fit,
           "the prompt has {} tokens, the context room for {}{}; shorten it", length,
           context - (request.max_tokens > 0 ? 1 : 0),
           request.max_tokens > 0 ? " with one to generate" : "");
  }
}

}  // namespace

ActiveRequest::ActiveRequest(Request asked, const model::Architecture& architecture,
                             int64_t context)
    : request(std::move(asked)) {
  check(request, architecture.vocabulary_size, context);
  most = std::min(request.max_tokens, context - prompt_size());
  std::vector<int32_t> ending = architecture.end_tokens;
  ending.insert(ending.end(), request.end_tokens.begin(), request.end_tokens.end());
  (request.ignore_eos ? forbidden : ends) = std::move(ending);
  ends.insert(ends.end(), request.stop_tokens.begin(), request.stop_tokens.end());
  for (std::vector<int32_t>* ids : {&ends, &forbidden}) {
    std::erase_if(*ids, [&](int32_t id) { return id < 0 || id >= architecture.vocabulary_size; });
  }
  // A stop token that ignore_eos forbids could never stop anything.
  std::erase_if(forbidden, [&](int32_t id) { return is_end(id); });
  tokens = request.prompt;
}

bool ActiveRequest::is_end(int32_t token) const {
  return std::ranges::find(ends, token) != ends.end();
}

std::optional<EndEvent> ActiveRequest::given_up(Clock::time_point now) const {
  if (stream->cancelled()) return EndEvent{.reason = Reason::cancelled};
  if (!request.deadline || now < *request.deadline) return std::nullopt;
  return EndEvent{.reason = Reason::error,
                  .kind = ErrorKind::timeout,
                  .error = "the request took longer than it may"};
}

EndEvent ActiveRequest::ended(EndEvent event, Clock::time_point now) const {
  const auto seconds = [](Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  };
  event.prompt_tokens = prompt_size();
  event.shared_tokens = shared_tokens;
  event.tokens = answer_size();
  event.queue_s = seconds(submitted, started.value_or(now));
  if (started) event.prompt_s = seconds(*started, prompt_read.value_or(now));
  if (prompt_read) event.decode_s = seconds(*prompt_read, now);
  event.longest_gap_s = longest_gap_s;
  return event;
}

}  // namespace octet::runtime

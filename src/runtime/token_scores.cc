// Log-probabilities of a row of logits: of one token and of the most probable ones.
#include "runtime/token_scores.h"

#include <algorithm>

namespace octet::runtime {

TokenEvent score_token(std::span<const float> logits, int32_t token, int top) {
  const double normaliser = log_sum_exp(logits);
  const auto logprob = [&](int32_t id) {
    return static_cast<float>(logits[static_cast<size_t>(id)] - normaliser);
  };
  TokenEvent event{.token = token, .logprob = logprob(token), .top = {}};
  for (const int32_t id : most_probable_tokens(logits, static_cast<size_t>(top))) {
    event.top.push_back({id, logprob(id)});
  }
  return event;
}

}  // namespace octet::runtime

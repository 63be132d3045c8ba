// Log-probabilities of a row of logits: of one token and of the most probable ones.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/request.h"

namespace octet::runtime {

/// `token` with its log-probability and the `top` most probable tokens with theirs, descending,
/// ties by id.
TokenEvent score_token(std::span<const float> logits, int32_t token, int top);

}  // namespace octet::runtime

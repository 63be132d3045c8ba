// The number of a token.
#pragma once

#include <cstdint>

namespace octet::tokenizer {

using TokenId = int32_t;

inline constexpr TokenId kNoToken = -1;

}  // namespace octet::tokenizer

// How much of a softmax's mass attention gives to the position it looks at most.
#pragma once

#include <cstdint>

#include "device/thread_team.h"
#include "model/architecture.h"
#include "tensor/view.h"

namespace octet::evaluate {

/// Mean over rows and heads of the largest attention probability. `qkv`: queries, keys and values
/// of one sequence from its first position on, [rows, query_size + 2 kv_size], as attention reads
/// them in this layer of a decoder.
double top_attention(device::ThreadTeam& team, const model::Architecture& architecture,
                     int64_t layer, tensor::MatrixView<const float> qkv);

}  // namespace octet::evaluate

// What tells positions apart and is computed rather than stored: sinusoids and ALiBi's slopes.
#pragma once

#include <cstdint>
#include <vector>

#include "model/architecture.h"
#include "tensor/owner.h"

namespace octet::model {

/// A position table [max_positions + position_offset, hidden_size] as fairseq computes it: row r
/// holds sin(r · f_i) for i in [0, h), then cos(r · f_i), with h = hidden_size / 2 and
/// f_i = 10000^(−i / (h − 1)).
tensor::Array<float> sinusoidal_positions(const Architecture& architecture);

/// ALiBi's slopes (arXiv 2108.12409): with 2^k heads the powers of 2^(−8 / 2^k); with n heads
/// between 2^k and 2^(k+1) those of 2^k heads, then the first n − 2^k of every other one of
/// 2^(k+1) heads.
std::vector<float> alibi_slopes(int64_t heads);

/// T5's learned numbers spread over the distances j − t from −relative_reach to relative_reach:
/// [heads, 2·relative_reach + 1]. `buckets` is [relative_buckets, heads]; of an encoder's the first
/// half is for j ≤ t and the second for j > t, a decoder's are all for j ≤ t. Half of the buckets
/// of a direction hold one distance each, the others ranges that grow as a geometric series.
tensor::Array<float> relative_bias(const Architecture& architecture, const float* buckets,
                                   Stack stack);

}  // namespace octet::model

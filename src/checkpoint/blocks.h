// GGUF's block-quantised formats.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace octet::checkpoint {

/// Decodes `blocks` consecutive blocks of a block format (q4_0 … iq4_nl) to float32. Scales are
/// binary16 (d, and m or dmin for an offset), codes q small integers:
///   q4_0, q5_0, q8_0: d·q (q centred)      q4_1, q5_1: d·q + m      iq4_nl: d·table[q]
///   q3_k, q6_k: d·scale·q                   q2_k, q4_k, q5_k: d·scale·q − dmin·min
/// Products of scales and codes have at most 25 bits, those offset at most 22, so each value is the
/// exact one, rounded once.
void decode_blocks(tensor::DType dtype, const std::byte* in, int64_t blocks, float* out);

}  // namespace octet::checkpoint

// Packing int8 weights that are stored as such, without quantising them again.
#pragma once

#include <string_view>

#include "linear/linear.h"

namespace octet::linear {

/// codes, column_sums and column_scales, with the extents. Throws Error naming `name` when a code
/// is −128, which no absmax quantisation gives, a scale is not finite, or there are too many
/// inputs.
LinearParts pack_stored_codes(device::Cpu& cpu, const CodeSource& source, std::string_view name);

}  // namespace octet::linear

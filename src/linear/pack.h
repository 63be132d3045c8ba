// Packing: 16/32-bit weights, read once by panels of 16 rows, into the layouts of the kernels.
#pragma once

#include <span>
#include <string_view>

#include "linear/linear.h"

namespace octet::linear {

/// Where weights come from and what to call them in an error.
struct PackInput {
  device::Cpu& cpu;
  const Kernels& kernels;
  const WeightSource& source;
  std::string_view name;
};

/// codes, column_sums, column_scales (and column_zeros) of an int8 method.
void pack_int8(const PackInput& input, LinearParts& parts);
/// panels16 of type `type`. Returns false when a weight does not fit f16.
bool pack_sixteen_bit(const PackInput& input, ops::SixteenBit type, LinearParts& parts);
/// kept_columns and kept_panels, as source.sixteen_bit or, where that does not fit, as bf16.
void pack_kept_columns(const PackInput& input, std::span<const int32_t> columns,
                       LinearParts& parts);
/// panels32.
void pack_thirty_two_bit(const PackInput& input, LinearParts& parts);

}  // namespace octet::linear

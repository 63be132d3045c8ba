// The arithmetic of one column, for the scalar kernel and the ends of rows in the others.
//
// Everything is static: each instruction set compiles its own copy.
#pragma once

#include <cstdint>

#include "ops/epilogue/epilogue.h"

namespace octet::ops {

// Columns [from, to) of a row.
static inline void epilogue_columns(const EpilogueArgs& args, int64_t from, int64_t to) {
  for (int64_t n = from; n < to; ++n) {
    float value;
    if (args.planes == 2) {
      value = static_cast<float>(int64_t{128} * args.sums[n] + args.second[n]) * args.row_factor;
    } else {
      value = static_cast<float>(args.sums[n]) * args.row_factor;
      if (args.second != nullptr) {
        value += static_cast<float>(args.second[n]) * args.second_factor;
      }
    }
    value *= args.column_factors[n];
    if (args.kept != nullptr) value += args.kept[n];
    if (args.bias != nullptr) value += args.bias[n];
    if (args.residual != nullptr) value += args.residual[n];
    args.out[n] = value;
  }
}

}  // namespace octet::ops

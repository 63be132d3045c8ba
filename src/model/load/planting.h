// Which tensors planted outliers change, and how: from the description, for any family.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "model/architecture.h"

namespace octet::model {

/// What a tensor is to the planted dimensions.
struct Planting {
  enum class Kind : uint8_t {
    gain,     ///< a norm's weights: (w + offset) · g − offset
    bias,     ///< a norm's bias: b · g
    columns,  ///< [outputs, inputs] of a layer that reads the norm: w / g
    rows      ///< the same, stored [inputs, outputs]
  };
  Kind kind = Kind::columns;
  float offset = 0;
  int64_t outputs = 0;  ///< of columns and rows

  friend bool operator==(const Planting&, const Planting&) = default;
};

/// A changed value, `where` naming its tensor. Throws Error when float32 would round it.
float planted_value(float value, const Planting& planting, float gain, const std::string& where);

/// Throws Error, naming `file`, when one is no dimension of the hidden state or is named twice.
void check_dimensions(std::span<const int32_t> dimensions, const Architecture& architecture,
                      const std::string& file);

/// Throws the Error for a checkpoint of int8 weights.
[[noreturn]] void refuse_quantised(const std::string& file);

/// By the tensors' names: every norm in front of a block, and the linear layers that read it.
/// Throws Error, naming `file`, family and reason, when something else reads what such a norm
/// makes, or when there are none.
std::map<std::string, Planting> planting_of(const Architecture& architecture,
                                            const std::string& file);

}  // namespace octet::model

// Which arithmetic each linear layer of a model is packed for: what was asked, or more bits.
#pragma once

#include <span>
#include <string>

#include "linear/precision.h"
#include "model/architecture.h"
#include "ops/matmul16/matmul16.h"

namespace octet::model {

/// True when `name` or a module that it lies in is one of `skip_modules` (LoadOptions).
bool is_skipped(const std::string& name, std::span<const std::string> skip_modules);

/// True for a layer of the decoder or encoder that stays in 16 or 32 bits whatever the method: by
/// its description, or because a part of it is skipped.
bool is_skipped(const LinearNames& names, std::span<const std::string> skip_modules);

/// True when the lm_head becomes int8 like the layers.
bool quantises_head(linear::Method method, std::span<const std::string> skip_modules);

/// What is asked for a layer of this kind.
linear::Precision precision_for(const linear::Precision& asked, LinearId id);

/// What a layer is packed for. `keep_16bit`: an int8 method leaves it in 16 bits, those of
/// `stored`.
linear::Precision layer_precision(const LinearNames& names, const linear::Precision& asked,
                                  bool keep_16bit, ops::SixteenBit stored);

}  // namespace octet::model

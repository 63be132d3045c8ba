// The names of all tensors that a description asks a checkpoint for.
#pragma once

#include <string>
#include <vector>

#include "model/architecture.h"

namespace octet::model {

/// Hugging Face's names, some twice when tensors are shared.
std::vector<std::string> tensor_names(const Architecture& architecture);

}  // namespace octet::model

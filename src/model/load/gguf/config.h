// The config.json that a GGUF file's metadata and tensors stand for.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/load/gguf/architecture.h"

namespace octet::model {

/// Throws Error, naming `file`, for metadata that change the result in a way octet does not know.
nlohmann::json gguf_config(const checkpoint::Gguf& gguf, const GgufArchitecture& architecture,
                           const std::string& file);

}  // namespace octet::model

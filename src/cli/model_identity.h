// What tells a model's files from others, for results that are kept between runs.
#pragma once

#include <string>

namespace octet::cli {

/// Of the model's files: their paths, sizes and times of change. Throws Error when there are none.
std::string model_identity(const std::string& model);

}  // namespace octet::cli

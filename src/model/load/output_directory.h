// The directory that a converted model is written to: made empty, filled with the tokeniser's
// files.
#pragma once

#include <filesystem>

#include "checkpoint/checkpoint.h"

namespace octet::model {

/// Throws Error when it cannot be made or is not empty.
void make_output_directory(const std::filesystem::path& directory);

/// Copies what the tokeniser and generation of `source` are read from; of a GGUF file, its
/// metadata.
void copy_tokenizer(const checkpoint::Checkpoint& source, const std::filesystem::path& directory);

}  // namespace octet::model

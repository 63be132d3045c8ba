// Hugging Face checkpoints as GGUF files, by the rules of llama.cpp's converter; written apart from
// the reader, so that the two check each other.
#pragma once

#include <filesystem>

namespace octet::test {

/// Writes the model in `directory` with float32 tensors and no vocabulary. Throws Error for a
/// model_type that the converter does not take.
void write_gguf(const std::filesystem::path& directory, const std::filesystem::path& file);

}  // namespace octet::test

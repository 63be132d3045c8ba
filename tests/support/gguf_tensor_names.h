// The names that llama.cpp's converter gives the tensors of Hugging Face checkpoints.
#pragma once

#include <string>

namespace octet::test {

/// The GGUF name of a tensor of a model of that model_type, experts and norms of single heads
/// having been stacked; empty for what is left out. Throws Error when there is no rule for it.
std::string gguf_tensor_name(const std::string& model_type, const std::string& name);

}  // namespace octet::test

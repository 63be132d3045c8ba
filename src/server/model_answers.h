// What the model says about itself and its tokens: /v1/models, /tokenizer_info, /tokenize,
// /detokenize.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/engine.h"

namespace octet::server {

std::string model_json(Engine& engine);
/// A list of the one model.
std::string models_json(Engine& engine);
/// vLLM's, which lm-evaluation-harness asks for: how the start and end token are spelt.
std::string tokenizer_json(const Engine& engine);
std::string tokens_json(Engine& engine, const TokenizeRequest& request);
/// Throws ApiError for an id that the model does not have.
std::string text_json(Engine& engine, const std::vector<int32_t>& ids);

}  // namespace octet::server

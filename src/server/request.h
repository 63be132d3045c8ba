// What clients ask for: the JSON of requests, checked as far as that is possible without a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/sampler.h"

namespace octet::server {

/// Alternatives to each token that may be asked for.
inline constexpr int kMostLogprobs = 20;
/// Choices of one request, and texts of one request.
inline constexpr int64_t kMostChoices = 128;
inline constexpr int64_t kMostSequences = 1024;

/// What both ways of generating text share.
struct TextRequest {
  std::string model;  ///< empty: the one that is served
  std::optional<int64_t> max_tokens;
  /// OpenAI's defaults: temperature 1, nothing cut off. Without a seed every request has its own.
  runtime::Sampling sampling = {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0};
  bool has_seed = false;
  int64_t choices = 1;  ///< `n`
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::optional<int> activation_bits;
  bool stream = false;
  bool include_usage = false;  ///< of a stream
  /// Alternatives to each token, whose own log-probability is then given too.
  std::optional<int> logprobs;
};

using Prompt = std::variant<std::string, std::vector<int32_t>>;

struct CompletionRequest : TextRequest {
  std::vector<Prompt> prompts;
  bool echo = false;
};

struct ChatRequest : TextRequest {
  std::string messages;   ///< JSON, an array of objects with "role"
  std::string variables;  ///< JSON, an object; empty: none
};

struct TokenizeRequest {
  std::string text;
  bool add_special = false;
  bool with_pieces = false;
};

/// All of them throw ApiError 400 naming the field that is wrong, for any bytes whatsoever.
CompletionRequest parse_completion(std::string_view body);
ChatRequest parse_chat(std::string_view body);
TokenizeRequest parse_tokenize(std::string_view body);
std::vector<int32_t> parse_detokenize(std::string_view body);

}  // namespace octet::server

// Any bytes as a request's body: what it asks for, within the limits, or an ApiError of status 400.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "server/api_error.h"
#include "server/request.h"
#include "server/stop_strings.h"

namespace {

using namespace octet::server;

void require(bool condition) {
  if (!condition) __builtin_trap();
}

template <typename Parse>
void parse(Parse&& body) {
  try {
    body();
  } catch (const ApiError& error) {
    require(error.status == 400);
    require(nlohmann::json::parse(error_json(error))["error"]["message"].is_string());
  }
}

void check(const TextRequest& request) {
  const auto& sampling = request.sampling;
  require(sampling.temperature >= 0 && sampling.top_k >= 0 && sampling.repeat_penalty > 0);
  require(sampling.top_p >= 0 && sampling.top_p <= 1 && sampling.min_p >= 0 && sampling.min_p <= 1);
  require(request.choices >= 1 && request.choices <= kMostChoices);
  require(request.logprobs.value_or(0) >= 0 && request.logprobs.value_or(0) <= kMostLogprobs);
  // However a text is cut, what passes the stop strings is the text before the first of them.
  StopStrings stops(request.stop);
  std::string out;
  for (const char character : request.model) out += stops.push({&character, 1});
  if (!stops.stopped()) out += stops.finish();
  require(request.model.starts_with(out));
  for (const std::string& stop : request.stop) require(out.find(stop) == std::string::npos);
  if (!stops.stopped()) require(out == request.model);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  parse([&] {
    const CompletionRequest request = parse_completion(body);
    check(request);
    require(!request.prompts.empty() && request.max_tokens.has_value());
  });
  parse([&] {
    const ChatRequest request = parse_chat(body);
    check(request);
    require(nlohmann::json::parse(request.messages).is_array());
  });
  parse([&] { parse_tokenize(body); });
  parse([&] { parse_detokenize(body); });
  return 0;
}

// From the JSON of requests to what they ask for.
#include "server/request.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>

#include "server/api_error.h"
#include "server/fields.h"

namespace octet::server {
namespace {

constexpr size_t kMostStops = 16;
constexpr size_t kLongestStop = 1024;
constexpr size_t kMostBiases = 1024;
/// A template is evaluated for every message before anything is known of the tokens.
constexpr size_t kMostMessages = 4096;
constexpr int64_t kMostTokens = int64_t{1} << 30;

std::vector<std::string> stop_strings(const Json* value) {
  std::vector<std::string> stops;
  if (value == nullptr) return stops;
  const Json list = value->is_array() ? *value : Json::array({*value});
  if (list.size() > kMostStops)
    refuse("stop", fmt::format("stop holds {} strings; at most {}", list.size(), kMostStops));
  for (const Json& stop : list) {
    if (!stop.is_string()) refuse("stop", "stop must be a string or an array of strings");
    const auto& text = stop.get_ref<const std::string&>();
    if (text.empty() || text.size() > kLongestStop)
      refuse("stop", fmt::format("a stop string must have 1 to {} bytes", kLongestStop));
    stops.push_back(text);
  }
  return stops;
}

/// {"50256": -100, …}: whether the ids are in the vocabulary is for those to say who know it.
std::vector<std::pair<int32_t, float>> logit_bias(const Json* value) {
  constexpr double kMost = 100;
  std::vector<std::pair<int32_t, float>> biases;
  if (value == nullptr) return biases;
  const auto refuse_form = [] {
    refuse("logit_bias", "logit_bias must be an object of token ids with numbers from -100 to 100");
  };
  if (!value->is_object()) refuse_form();
  if (value->size() > kMostBiases)
    refuse("logit_bias",
           fmt::format("logit_bias holds {} tokens; at most {}", value->size(), kMostBiases));
  for (const auto& [text, bias] : value->items()) {
    int32_t id = -1;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, id);
    if (parsed.ec != std::errc() || parsed.ptr != end || id < 0 || !bias.is_number() ||
        !(std::abs(bias.get<double>()) <= kMost))
      refuse_form();
    biases.emplace_back(id, bias.get<float>());
  }
  return biases;
}

void read_sampling(Fields& fields, TextRequest& request) {
  runtime::Sampling& sampling = request.sampling;
  const auto real = [&fields](const char* name, double low, double high, float& value) {
    if (const auto given = fields.number(name, low, high)) value = static_cast<float>(*given);
  };
  real("temperature", 0, 100, sampling.temperature);
  real("top_p", 0, 1, sampling.top_p);
  real("min_p", 0, 1, sampling.min_p);
  // llama-server's name and vLLM's.
  real("repeat_penalty", 0.01, 100, sampling.repeat_penalty);
  real("repetition_penalty", 0.01, 100, sampling.repeat_penalty);
  real("presence_penalty", -2, 2, sampling.presence_penalty);
  real("frequency_penalty", -2, 2, sampling.frequency_penalty);
  sampling.logit_bias = logit_bias(fields.any("logit_bias"));
  // vLLM's -1 and llama-server's 0 both mean all tokens.
  const int64_t top_k = fields.integer("top_k", -1, INT32_MAX).value_or(0);
  sampling.top_k = static_cast<int>(std::max<int64_t>(top_k, 0));
  if (const auto seed = fields.integer("seed", INT64_MIN, INT64_MAX)) {
    sampling.seed = static_cast<uint64_t>(*seed);
    request.has_seed = true;
  }
}

void read_stream_options(Fields& fields, TextRequest& request) {
  const Json* options = fields.any("stream_options");
  if (options == nullptr) return;
  if (!options->is_object()) refuse("stream_options", "stream_options must be an object");
  if (!request.stream) refuse("stream_options", "stream_options is only for stream: true");
  Fields inner(*options);
  request.include_usage = inner.boolean("include_usage").value_or(false);
  inner.ignore({"include_obfuscation"});
  inner.refuse_others();
}

void read_text_request(Fields& fields, TextRequest& request) {
  request.model = fields.text("model").value_or("");
  read_sampling(fields, request);
  request.choices = fields.integer("n", 1, kMostChoices).value_or(1);
  request.stop = stop_strings(fields.any("stop"));
  request.ignore_eos = fields.boolean("ignore_eos").value_or(false);
  if (const auto bits = fields.integer("activation_bits", 8, 16)) {
    if (*bits != 8 && *bits != 16)
      refuse("activation_bits", fmt::format("activation_bits must be 8 or 16, not {}", *bits));
    request.activation_bits = static_cast<int>(*bits);
  }
  request.stream = fields.boolean("stream").value_or(false);
  read_stream_options(fields, request);
  fields.ignore(
      {"user", "safety_identifier", "prompt_cache_key", "metadata", "store", "service_tier"});
}

std::vector<int32_t> token_ids(const Json& list, const char* name) {
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const Json& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX)
      refuse(name, fmt::format("{}: a token id must be an integer from 0 to {}", name, INT32_MAX));
    ids.push_back(static_cast<int32_t>(id.get<int64_t>()));
  }
  return ids;
}

/// A text, token ids, or an array of either.
std::vector<Prompt> prompts_of(const Json* value) {
  constexpr const char* kForms =
      "prompt must be a string, an array of token ids, or an array of strings or of arrays of "
      "token ids";
  if (value == nullptr) refuse("prompt", "prompt is missing: " + std::string(kForms));
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array() || value->empty()) refuse("prompt", kForms);
  if (value->front().is_number()) return {token_ids(*value, "prompt")};
  std::vector<Prompt> prompts;
  for (const Json& each : *value) {
    if (each.is_string()) {
      prompts.emplace_back(each.get<std::string>());
    } else if (each.is_array() && !each.empty()) {
      prompts.emplace_back(token_ids(each, "prompt"));
    } else {
      refuse("prompt", kForms);
    }
  }
  return prompts;
}

/// An array of text parts becomes one text; other parts are for models that see or hear.
void flatten_content(Json& message, size_t index) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null() || content->is_string()) return;
  const std::string place = fmt::format("messages[{}].content", index);
  if (!content->is_array()) refuse(place, place + " must be a string or an array of parts");
  std::string text;
  for (const Json& part : *content) {
    const bool is_text = part.is_object() && part.contains("type") && part["type"] == "text" &&
                         part.contains("text") && part["text"].is_string();
    if (!is_text) refuse(place, place + ": only parts of type text are supported");
    text += part["text"].get_ref<const std::string&>();
  }
  *content = text;
}

std::string messages_of(const Json* value) {
  if (value == nullptr || !value->is_array() || value->empty())
    refuse("messages", "messages must be an array of at least one message");
  if (value->size() > kMostMessages)
    refuse("messages",
           fmt::format("messages holds {} messages; at most {}", value->size(), kMostMessages));
  Json messages = *value;
  for (size_t i = 0; i < messages.size(); ++i) {
    Json& message = messages[i];
    const std::string place = fmt::format("messages[{}]", i);
    if (!message.is_object()) refuse(place, place + " must be an object");
    const auto role = message.find("role");
    if (role == message.end() || !role->is_string())
      refuse(place + ".role", place + ".role must be a string");
    if (!message.contains("content") && !message.contains("tool_calls"))
      refuse(place + ".content", place + ".content is missing");
    flatten_content(message, i);
  }
  return messages.dump();
}

void refuse_unsupported_chat(Fields& fields) {
  for (const char* name : {"tools", "functions"}) {
    const Json* value = fields.any(name);
    if (value != nullptr && !value->empty())
      refuse(name, fmt::format("{} are not supported: answers are not parsed for calls", name));
  }
  if (const Json* format = fields.any("response_format")) {
    const bool plain =
        format->is_object() && format->contains("type") && (*format)["type"] == "text";
    if (!plain)
      refuse("response_format", "response_format: only {\"type\": \"text\"} is supported");
  }
  for (const char* name : {"tool_choice", "function_call"}) {
    const Json* value = fields.any(name);
    if (value != nullptr && *value != "none" && *value != "auto")
      refuse(name, fmt::format("{}: there are no tools to choose", name));
  }
  fields.ignore({"parallel_tool_calls"});
}

}  // namespace

CompletionRequest parse_completion(std::string_view body) {
  const Json object = parse_object(body);
  Fields fields(object);
  CompletionRequest request;
  read_text_request(fields, request);
  // OpenAI's default for completions.
  request.max_tokens = fields.integer("max_tokens", 0, kMostTokens).value_or(16);
  request.prompts = prompts_of(fields.any("prompt"));
  request.echo = fields.boolean("echo").value_or(false);
  if (const auto logprobs = fields.integer("logprobs", 0, kMostLogprobs))
    request.logprobs = static_cast<int>(*logprobs);
  if (fields.integer("best_of", 1, kMostChoices).value_or(request.choices) != request.choices)
    refuse("best_of", "best_of is not supported: it must equal n");
  if (!fields.text("suffix").value_or("").empty())
    refuse("suffix", "suffix is not supported: text is only continued");
  if (request.max_tokens == 0 && !request.echo)
    refuse("max_tokens", "max_tokens 0 needs echo: there would be nothing to answer");
  if (static_cast<int64_t>(request.prompts.size()) * request.choices > kMostSequences)
    refuse("prompt", fmt::format("prompts times n must be at most {}", kMostSequences));
  fields.refuse_others();
  return request;
}

ChatRequest parse_chat(std::string_view body) {
  const Json object = parse_object(body);
  Fields fields(object);
  ChatRequest request;
  read_text_request(fields, request);
  request.max_tokens = fields.integer("max_tokens", 1, kMostTokens);
  if (const auto newer = fields.integer("max_completion_tokens", 1, kMostTokens))
    request.max_tokens = newer;
  request.messages = messages_of(fields.any("messages"));
  if (const Json* variables = fields.any("chat_template_kwargs")) {
    if (!variables->is_object())
      refuse("chat_template_kwargs", "chat_template_kwargs must be an object");
    request.variables = variables->dump();
  }
  const bool logprobs = fields.boolean("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, kMostLogprobs);
  if (top.value_or(0) > 0 && !logprobs) refuse("top_logprobs", "top_logprobs needs logprobs: true");
  if (logprobs) request.logprobs = static_cast<int>(top.value_or(0));
  refuse_unsupported_chat(fields);
  fields.refuse_others();
  return request;
}

TokenizeRequest parse_tokenize(std::string_view body) {
  const Json object = parse_object(body);
  Fields fields(object);
  fields.ignore({"model"});
  TokenizeRequest request;
  // llama-server's name and vLLM's.
  auto text = fields.text("content");
  const auto other_name = fields.text("prompt");
  if (!text) text = other_name;
  if (!text) refuse("content", "content is missing: the text to cut into tokens");
  request.text = *text;
  request.add_special = fields.boolean("add_special").value_or(false);
  if (const auto other = fields.boolean("add_special_tokens")) request.add_special = *other;
  request.with_pieces = fields.boolean("with_pieces").value_or(false);
  fields.refuse_others();
  return request;
}

std::vector<int32_t> parse_detokenize(std::string_view body) {
  const Json object = parse_object(body);
  Fields fields(object);
  fields.ignore({"model"});
  const Json* tokens = fields.any("tokens");
  if (tokens == nullptr || !tokens->is_array())
    refuse("tokens", "tokens must be an array of token ids");
  fields.refuse_others();
  return token_ids(*tokens, "tokens");
}

}  // namespace octet::server

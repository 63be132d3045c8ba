// From requests of clients to requests of the scheduler.
#include "server/engine.h"

#include <fmt/core.h>

#include <ctime>

#include "base/error.h"
#include "server/api_error.h"

namespace octet::server {

Engine::Engine(model::Loaded& loaded, device::Cpu& cpu, EngineOptions options)
    : loaded_(loaded),
      options_(std::move(options)),
      created_(static_cast<int64_t>(std::time(nullptr))),
      scheduler_(loaded.model, cpu, options_.scheduler) {
  if (loaded_.tokenizer == nullptr)
    fail("{}: no tokenizer ({}); a server needs one", options_.name, loaded_.tokenizer_problem);
  if (loaded_.chat != nullptr)
    end_of_turn_ = loaded_.chat->end_of_turn(chat::local_time(), *loaded_.tokenizer);
}

void Engine::check_model(const std::string& asked) const {
  if (!asked.empty() && asked != options_.name)
    throw ApiError(404,
                   fmt::format("the model '{}' does not exist here; '{}' is served",
                               asked.substr(0, 200), options_.name),
                   "model", "model_not_found");
}

void Engine::check_tokens(const std::vector<int32_t>& ids, const char* field) const {
  const int64_t vocabulary = loaded_.model.architecture().vocabulary_size;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocabulary)
      refuse(field, fmt::format("{}: token id {} lies outside the model's vocabulary of {}", field,
                                id, vocabulary));
  }
}

std::vector<int32_t> Engine::prompt_tokens(const Prompt& prompt) const {
  std::vector<int32_t> ids;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    ids = tokenizer().encode(*text, {.add_special = true, .parse_special = true});
  } else {
    ids = std::get<std::vector<int32_t>>(prompt);
    check_tokens(ids, "prompt");
  }
  if (ids.empty())
    refuse("prompt", "the prompt is empty and this model's tokenizer adds no start token");
  return ids;
}

std::vector<int32_t> Engine::chat_tokens(const ChatRequest& request) const {
  if (loaded_.chat == nullptr)
    throw ApiError(400, loaded_.chat_problem + "; use /v1/completions", "messages");
  try {
    return loaded_.chat->encode({.messages = request.messages,
                                 .tools = {},
                                 .variables = request.variables,
                                 .add_generation_prompt = true,
                                 .template_name = {}},
                                chat::local_time(), tokenizer());
  } catch (const Error& error) {
    throw ApiError(400, error.what(), "messages");
  }
}

runtime::Request Engine::scheduler_request(const TextRequest& request, std::vector<int32_t> prompt,
                                           int64_t choice, uint64_t seed) const {
  std::vector<int32_t> biased;
  for (const auto& [token, bias] : request.sampling.logit_bias) biased.push_back(token);
  check_tokens(biased, "logit_bias");
  runtime::Request asked;
  const auto length = static_cast<int64_t>(prompt.size());
  asked.prompt = std::move(prompt);
  asked.max_tokens =
      request.max_tokens.value_or(std::max<int64_t>(1, options_.scheduler.context - length));
  asked.sampling = request.sampling;
  if (!request.has_seed) asked.sampling.seed = seed;
  asked.sequence = static_cast<uint64_t>(choice);
  asked.ignore_eos = request.ignore_eos;
  asked.activation_bits =
      request.activation_bits.value_or(loaded_.model.precision().activation_bits);
  asked.top_logprobs = request.logprobs;
  asked.deadline = runtime::Clock::now() + options_.request_time;
  return asked;
}

runtime::Stream Engine::submit(runtime::Request request) {
  try {
    return scheduler_.submit(std::move(request));
  } catch (const runtime::Refused& refused) {
    throw_api_error(refused.kind(), refused.what());
  }
}

void throw_api_error(runtime::ErrorKind kind, const std::string& message) {
  using runtime::ErrorKind;
  const auto later = [&message](int status) {
    ApiError error(status, message);
    error.retry_after_s = 1;
    return error;
  };
  switch (kind) {
    case ErrorKind::invalid:
      throw ApiError(400, message);
    case ErrorKind::does_not_fit:
      throw ApiError(400, message, {}, "context_length_exceeded");
    case ErrorKind::queue_full:
      throw later(429);
    case ErrorKind::shutting_down:
      throw later(503);
    case ErrorKind::timeout:
      throw ApiError(504, message, {}, "timeout");
    case ErrorKind::failed:
      break;
  }
  throw ApiError(500, message);
}

}  // namespace octet::server

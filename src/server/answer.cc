// Submitting a request's choices and gathering what they say.
#include "server/answer.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <thread>

#include "server/api_error.h"

namespace octet::server {
namespace {

using Json = nlohmann::ordered_json;
using runtime::Clock;

/// With several choices one is waited for at a time; the others are looked at as often.
constexpr std::chrono::milliseconds kLook{5};

uint64_t random_number() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

void append(Delta& all, Delta delta) {
  all.text += delta.text;
  all.tokens.insert(all.tokens.end(), std::make_move_iterator(delta.tokens.begin()),
                    std::make_move_iterator(delta.tokens.end()));
  if (delta.finish_reason != nullptr) all.finish_reason = delta.finish_reason;
}

}  // namespace

std::string json_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Answer::Answer(Engine& engine, std::unique_ptr<AnswerFormat> format, bool include_usage)
    : engine_(engine),
      format_(std::move(format)),
      include_usage_(include_usage),
      id_(fmt::format("{}-{:016x}{:08x}", format_->id_prefix(), random_number(),
                      random_number() >> 32)),
      created_(static_cast<int64_t>(std::time(nullptr))),
      // What clients may be told to give as a seed again.
      seed_(random_number() >> 1) {}

std::unique_ptr<Answer> Answer::of(Engine& engine, const CompletionRequest& request) {
  engine.check_model(request.model);
  const bool scored = request.logprobs.has_value();
  std::unique_ptr<Answer> answer(
      new Answer(engine, completion_format(engine.tokenizer(), scored), request.include_usage));
  std::vector<std::vector<int32_t>> prompts;
  for (const Prompt& prompt : request.prompts) prompts.push_back(engine.prompt_tokens(prompt));
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto* text = std::get_if<std::string>(&request.prompts[i]);
    answer->add(request, prompts[i],
                {.tokenizer = &engine.tokenizer(),
                 .prompt = prompts[i],
                 .stop = request.stop,
                 .echo = request.echo,
                 .echo_text = text != nullptr ? *text : std::string(),
                 .scored = scored,
                 // As OpenAI and vLLM do; harnesses count on as many scores as tokens.
                 .shows_end = true},
                {});
  }
  answer->submit();
  return answer;
}

std::unique_ptr<Answer> Answer::of(Engine& engine, const ChatRequest& request) {
  engine.check_model(request.model);
  const bool scored = request.logprobs.has_value();
  std::unique_ptr<Answer> answer(
      new Answer(engine, chat_format(engine.tokenizer(), scored), request.include_usage));
  const std::vector<int32_t> prompt = engine.chat_tokens(request);
  answer->add(request, prompt,
              {.tokenizer = &engine.tokenizer(),
               .prompt = prompt,
               .stop = request.stop,
               .echo = false,
               .echo_text = {},
               .scored = scored,
               .shows_end = false},
              engine.end_of_turn());
  answer->submit();
  return answer;
}

void Answer::add(const TextRequest& request, const std::vector<int32_t>& prompt,
                 Choice::Options options, const std::vector<int32_t>& end_tokens) {
  prompt_tokens_ += static_cast<int64_t>(prompt.size());
  for (int64_t choice = 0; choice < request.choices; ++choice) {
    runtime::Request asked = engine_.scheduler_request(request, prompt, choice, seed_);
    asked.end_tokens = end_tokens;
    asked.score_prompt = options.echo && options.scored;
    Part& part = parts_.emplace_back();
    part.request = std::move(asked);
    part.options = options;
  }
}

void Answer::submit() {
  try {
    for (; submitted_ < parts_.size(); ++submitted_) {
      Part& part = parts_[submitted_];
      part.choice.emplace(engine_.submit(part.request), part.options);
      part.request = {};
      part.options = {};
    }
  } catch (const ApiError& error) {
    constexpr int kQueueFull = 429;
    if (error.status != kQueueFull || submitted_ == 0) throw;
  }
}

std::optional<std::pair<size_t, Delta>> Answer::next(Clock::time_point until) {
  for (;;) {
    submit();
    size_t open = 0;
    for (size_t i = 0; i < submitted_; ++i) {
      turn_ = (turn_ + 1) % submitted_;
      if (parts_[turn_].ended()) continue;
      ++open;
      if (auto delta = parts_[turn_].choice->next(Clock::time_point{}))
        return {{turn_, *std::move(delta)}};
    }
    const auto now = Clock::now();
    if ((open == 0 && submitted_ == parts_.size()) || now >= until) return std::nullopt;
    if (open == 0) {
      std::this_thread::sleep_until(std::min(until, now + kLook));
      continue;
    }
    while (parts_[turn_].ended()) turn_ = (turn_ + 1) % submitted_;
    const auto wait = parts_.size() == 1 ? until : std::min(until, now + kLook);
    if (auto delta = parts_[turn_].choice->next(wait)) return {{turn_, *std::move(delta)}};
  }
}

std::vector<std::string> Answer::next_chunks(Clock::time_point until) {
  std::vector<std::string> chunks;
  auto found = next(until);
  if (!found) return chunks;
  auto& [index, delta] = *found;
  Part& part = parts_[index];
  // An unfinished character, or text that may begin a stop string, is nothing to send yet.
  const bool empty = delta.text.empty() && delta.tokens.empty() && delta.finish_reason == nullptr;
  if (!empty) {
    Json chunk = envelope(true);
    chunk["choices"] =
        Json::array({format_->chunk_choice(static_cast<int64_t>(index), delta, !part.begun)});
    if (include_usage_) chunk["usage"] = nullptr;
    part.begun = true;
    chunks.push_back(json_text(chunk));
  }
  for (const Part& each : parts_) {
    if (!each.ended()) return chunks;
  }
  finished_ = true;
  if (include_usage_) {
    Json chunk = envelope(true);
    chunk["choices"] = Json::array();
    chunk["usage"] = usage();
    chunks.push_back(json_text(chunk));
  }
  return chunks;
}

bool Answer::collect(Clock::time_point until) {
  while (auto found = next(until)) append(parts_[found->first].all, std::move(found->second));
  finished_ = true;
  for (const Part& part : parts_) finished_ &= part.ended();
  return finished_;
}

std::string Answer::whole() const {
  Json answer = envelope(false);
  answer["choices"] = Json::array();
  for (size_t i = 0; i < parts_.size(); ++i)
    answer["choices"].push_back(format_->choice(static_cast<int64_t>(i), parts_[i].all));
  answer["usage"] = usage();
  return json_text(answer);
}

Json Answer::envelope(bool chunk) const {
  return {{"id", id_},
          {"object", format_->object(chunk)},
          {"created", created_},
          {"model", engine_.name()}};
}

Json Answer::usage() const {
  int64_t generated = 0;
  for (const Part& part : parts_) generated += part.choice ? part.choice->generated_tokens() : 0;
  return {{"prompt_tokens", prompt_tokens_},
          {"completion_tokens", generated},
          {"total_tokens", prompt_tokens_ + generated}};
}

}  // namespace octet::server

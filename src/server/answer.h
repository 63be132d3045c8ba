// An answer in the making: all choices of a request, and their JSON, whole or as a stream.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/choice.h"
#include "server/engine.h"

namespace octet::server {

/// How deltas are written down: as OpenAI's completions, or as its chat completions.
class AnswerFormat {
 public:
  using Json = nlohmann::ordered_json;
  virtual ~AnswerFormat() = default;
  virtual const char* id_prefix() const = 0;
  virtual const char* object(bool chunk) const = 0;
  /// Of a whole answer, from all of a choice's deltas as one.
  virtual Json choice(int64_t index, const Delta& whole) const = 0;
  /// Of a stream. `first`: nothing of this choice has been sent.
  virtual Json chunk_choice(int64_t index, const Delta& delta, bool first) const = 0;
};

std::unique_ptr<AnswerFormat> completion_format(const tokenizer::Tokenizer& tokenizer, bool scored);
std::unique_ptr<AnswerFormat> chat_format(const tokenizer::Tokenizer& tokenizer, bool scored);

/// Read by one thread. Destroying it gives up what is not finished.
class Answer {
 public:
  /// Submits the choices of every prompt, as many as the queue takes; the others follow when it
  /// has room. Throws ApiError, also when it takes none.
  static std::unique_ptr<Answer> of(Engine& engine, const CompletionRequest& request);
  static std::unique_ptr<Answer> of(Engine& engine, const ChatRequest& request);

  /// Of a stream, some JSON objects for the client; nothing when none came until then. After the
  /// last, finished() is true. Throws ApiError when a choice fails.
  std::vector<std::string> next_chunks(runtime::Clock::time_point until);
  /// Of a whole answer: whether everything has come until then.
  bool collect(runtime::Clock::time_point until);
  std::string whole() const;
  bool finished() const { return finished_; }

 private:
  struct Part {
    runtime::Request request;      ///< until it is submitted
    Choice::Options options;       ///< likewise
    std::optional<Choice> choice;  ///< from then on
    Delta all;
    bool begun = false;

    bool ended() const { return choice && choice->ended(); }
  };
  Answer(Engine& engine, std::unique_ptr<AnswerFormat> format, bool include_usage);
  void add(const TextRequest& request, const std::vector<int32_t>& prompt, Choice::Options options,
           const std::vector<int32_t>& end_tokens);
  void submit();
  /// Index of a choice with its next delta.
  std::optional<std::pair<size_t, Delta>> next(runtime::Clock::time_point until);
  nlohmann::ordered_json envelope(bool chunk) const;
  nlohmann::ordered_json usage() const;

  Engine& engine_;
  std::unique_ptr<AnswerFormat> format_;
  bool include_usage_;
  std::string id_;
  int64_t created_;
  uint64_t seed_;
  int64_t prompt_tokens_ = 0;
  std::vector<Part> parts_;
  size_t submitted_ = 0;
  size_t turn_ = 0;
  bool finished_ = false;
};

/// As JSON text; bytes that are no UTF-8 become U+FFFD.
std::string json_text(const nlohmann::ordered_json& json);

}  // namespace octet::server

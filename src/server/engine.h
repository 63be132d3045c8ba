// The model that is served: its tokenizer, chat template and scheduler, behind one name.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "model/load/load.h"
#include "runtime/scheduler.h"
#include "server/request.h"

namespace octet::server {

struct EngineOptions {
  std::string name;  ///< the model's, in requests and answers
  runtime::SchedulerOptions scheduler;
  std::chrono::milliseconds request_time{600'000};  ///< for one answer, waiting included
};

/// All functions may be called from several threads at once.
class Engine {
 public:
  /// The model and the Cpu are the engine's while it lives. Throws Error when the model has no
  /// tokenizer or the scheduler cannot run it.
  Engine(model::Loaded& loaded, device::Cpu& cpu, EngineOptions options);

  const std::string& name() const { return options_.name; }
  int64_t created() const { return created_; }  ///< seconds since 1970
  const model::Loaded& loaded() const { return loaded_; }
  const tokenizer::Tokenizer& tokenizer() const { return *loaded_.tokenizer; }
  runtime::Scheduler& scheduler() { return scheduler_; }

  /// Throws ApiError 404 when a request names another model.
  void check_model(const std::string& asked) const;
  /// The tokens of a prompt of /v1/completions, at least one and all of them the model's.
  std::vector<int32_t> prompt_tokens(const Prompt& prompt) const;
  /// The tokens of a conversation by the model's chat template.
  std::vector<int32_t> chat_tokens(const ChatRequest& request) const;
  /// Throws ApiError 400 for an id that the model does not have.
  void check_tokens(const std::vector<int32_t>& ids, const char* field) const;
  /// What ends an answer of a chat.
  const std::vector<int32_t>& end_of_turn() const { return end_of_turn_; }

  /// What the scheduler is asked for: one choice of one prompt. Without a seed, `seed`.
  runtime::Request scheduler_request(const TextRequest& request, std::vector<int32_t> prompt,
                                     int64_t choice, uint64_t seed) const;
  /// Throws ApiError with the status for why the scheduler refuses.
  runtime::Stream submit(runtime::Request request);

 private:
  model::Loaded& loaded_;
  EngineOptions options_;
  int64_t created_;
  std::vector<int32_t> end_of_turn_;
  runtime::Scheduler scheduler_;
};

/// The status and words for a request that the scheduler refused or ended with an error.
[[noreturn]] void throw_api_error(runtime::ErrorKind kind, const std::string& message);

}  // namespace octet::server

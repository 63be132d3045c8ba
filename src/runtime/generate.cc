// Generating text in a session: the prompt, then one token at a time.
#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "runtime/session.h"

namespace octet::runtime {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Closes the sequence however generation ends.
class OpenSequence {
 public:
  explicit OpenSequence(Session& session) : session_(session), id_(session.open()) {}
  ~OpenSequence() { session_.close(id_); }
  OpenSequence(const OpenSequence&) = delete;
  OpenSequence& operator=(const OpenSequence&) = delete;
  SequenceId id() const { return id_; }

 private:
  Session& session_;
  SequenceId id_;
};

bool contains(std::span<const int32_t> tokens, int32_t token) {
  for (int32_t each : tokens) {
    if (each == token) return true;
  }
  return false;
}

/// The model's end tokens and those of the options, as far as the model can choose them.
std::vector<int32_t> end_tokens(const model::Architecture& architecture,
                                const GenerateOptions& options) {
  std::vector<int32_t> ends = architecture.end_tokens;
  ends.insert(ends.end(), options.end_tokens.begin(), options.end_tokens.end());
  std::erase_if(ends, [&](int32_t id) { return id < 0 || id >= architecture.vocabulary_size; });
  return ends;
}

}  // namespace

Generated generate(Session& session, const model::Model& model, std::span<const int32_t> prompt,
                   const GenerateOptions& options,
                   const std::function<bool(int32_t token, float logprob)>& on_token) {
  if (prompt.empty()) fail("the prompt is empty: give at least one token");
  const auto length = static_cast<int64_t>(prompt.size());
  if (length >= session.context()) {
    fail("the prompt has {} tokens and the context {}: use a larger --ctx-size or a shorter prompt",
         length, session.context());
  }
  const OpenSequence sequence(session);
  const std::vector<int32_t> ends = end_tokens(model.architecture(), options);
  const std::span<const int32_t> forbidden =
      options.ignore_eos ? std::span<const int32_t>(ends) : std::span<const int32_t>();
  auto start = std::chrono::steady_clock::now();
  // An encoder reads the prompt; its decoder begins a text of its own.
  const int32_t decoder_start = model.architecture().decoder_start;
  if (model.architecture().encoder_decoder()) {
    session.encode(sequence.id(), prompt, options.activation_bits);
    prompt = {&decoder_start, 1};
  }
  std::vector<int32_t> history(prompt.begin(), prompt.end());
  const auto chunk = static_cast<size_t>(step_rows(model.precision()));
  Generated generated;
  Feed feed{.sequence = sequence.id(), .tokens = {}};
  tensor::MatrixView<float> logits;
  for (std::span<const int32_t> rest = prompt; !rest.empty();) {
    if (options.stop_early && options.stop_early()) return generated;
    feed.tokens = rest.first(std::min(rest.size(), chunk));
    rest = rest.subspan(feed.tokens.size());
    feed.no_logits = !rest.empty();
    logits = session.run({&feed, 1}, options.activation_bits);
  }
  generated.prompt_s = seconds_since(start);
  start = std::chrono::steady_clock::now();
  const int64_t most =
      std::min(options.max_tokens, session.context() - static_cast<int64_t>(prompt.size()));
  while (static_cast<int64_t>(generated.tokens.size()) < most) {
    const Sampled next = sample({logits.row(0), static_cast<size_t>(logits.columns)},
                                options.sampling, {.tokens = history, .prompt_size = prompt.size()},
                                forbidden, /*sequence=*/0, /*position=*/history.size());
    if (!options.ignore_eos && contains(ends, next.token)) {
      generated.ended = true;
      break;
    }
    generated.tokens.push_back(next.token);
    generated.logprobs.push_back(next.logprob);
    history.push_back(next.token);
    if (on_token && !on_token(next.token, next.logprob)) break;
    if (static_cast<int64_t>(generated.tokens.size()) == most) break;
    feed.tokens = std::span<const int32_t>(history).last(1);
    logits = session.run({&feed, 1}, options.activation_bits);
  }
  generated.decode_s = seconds_since(start);
  return generated;
}

}  // namespace octet::runtime

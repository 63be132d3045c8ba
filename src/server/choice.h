// One choice of an answer: the scheduler's tokens as text, with stop strings and log-probabilities.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "runtime/request.h"
#include "server/stop_strings.h"
#include "tokenizer/tokenizer.h"

namespace octet::server {

/// A token as an answer shows it.
struct ShownToken {
  int32_t id = 0;
  std::optional<float> logprob;  ///< of a text's first token there is none
  std::vector<runtime::TokenLogprob> top;
  int64_t text_offset = 0;  ///< characters of the answer before it
};

/// What has become certain since the last one.
struct Delta {
  std::string text;                     ///< whole UTF-8 characters
  std::vector<ShownToken> tokens;       ///< that begin in it
  const char* finish_reason = nullptr;  ///< of the last one: "stop" or "length"
};

/// Read by one thread.
class Choice {
 public:
  struct Options {
    const tokenizer::Tokenizer* tokenizer = nullptr;
    std::vector<int32_t> prompt;
    std::vector<std::string> stop;
    bool echo = false;       ///< the answer begins with the prompt …
    std::string echo_text;   ///< … in these words; empty: as its tokens decode
    bool scored = false;     ///< tokens are shown …
    bool shows_end = false;  ///< … and with them the one that ended the text
  };
  Choice(runtime::Stream stream, Options options);

  bool ended() const { return ended_; }
  int64_t generated_tokens() const { return generated_; }
  /// The next delta, if one comes until then. Throws ApiError when the request fails.
  std::optional<Delta> next(runtime::Clock::time_point until);

 private:
  /// A token whose text may still turn out to belong to a stop string.
  struct Waiting {
    ShownToken token;
    size_t begin = 0;  ///< byte of the answer without its prompt
  };
  void take(const runtime::TokenEvent& event, Delta& delta);
  void take(const runtime::PromptEvent& event, Delta& delta);
  void take(const runtime::EndEvent& event, Delta& delta);
  void pass_on(std::string text, Delta& delta);
  void echo(const std::vector<runtime::TokenEvent>& scores, Delta& delta);

  runtime::Stream stream_;
  Options options_;
  tokenizer::StreamDecoder decoder_;
  StopStrings stops_;
  std::deque<Waiting> waiting_;
  std::vector<std::string> prompt_pieces_;
  int64_t characters_ = 0;  ///< decoded so far, as far as the answer shows them
  size_t decoded_ = 0;      ///< bytes after the prompt
  size_t passed_on_ = 0;    ///< of them
  int64_t generated_ = 0;
  bool echo_due_ = false;
  bool ended_ = false;
};

/// How an answer spells a token: its text, or "bytes:\xe2\x80" when it is no whole characters.
std::string spelling(const tokenizer::Tokenizer& tokenizer, int32_t id);

}  // namespace octet::server

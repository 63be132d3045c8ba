// Turning a scheduler's events into what an answer shows.
#include "server/choice.h"

#include <fmt/core.h>

#include "server/engine.h"
#include "tokenizer/utf8.h"

namespace octet::server {
namespace {

int64_t characters_in(std::string_view text) {
  int64_t count = 0;
  for (const char byte : text) count += (static_cast<unsigned char>(byte) & 0xC0u) != 0x80u;
  return count;
}

ShownToken shown(const runtime::TokenEvent& event, int64_t offset) {
  return {.id = event.token, .logprob = event.logprob, .top = event.top, .text_offset = offset};
}

}  // namespace

std::string spelling(const tokenizer::Tokenizer& tokenizer, int32_t id) {
  std::string bytes = tokenizer.token_bytes(id);
  if (tokenizer::well_formed_prefix(bytes) == bytes.size()) return bytes;
  std::string escaped = "bytes:";
  for (const char byte : bytes)
    escaped += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
  return escaped;
}

Choice::Choice(runtime::Stream stream, Options options)
    : stream_(std::move(stream)),
      options_(std::move(options)),
      decoder_(*options_.tokenizer),
      stops_(std::move(options_.stop)),
      echo_due_(options_.echo) {
  // The text goes on where the prompt's ends: its first space is not the start of a text.
  for (const int32_t token : options_.prompt) {
    std::string piece = decoder_.push(token);
    if (options_.echo) prompt_pieces_.push_back(std::move(piece));
  }
}

std::optional<Delta> Choice::next(runtime::Clock::time_point until) {
  Delta delta;
  if (echo_due_ && !options_.scored) {
    echo({}, delta);
    return delta;
  }
  const std::optional<runtime::Event> event = stream_.next(until);
  if (!event) return std::nullopt;
  std::visit([this, &delta](const auto& kind) { take(kind, delta); }, *event);
  return delta;
}

void Choice::take(const runtime::PromptEvent& event, Delta& delta) {
  if (echo_due_) echo(event.tokens, delta);
}

void Choice::echo(const std::vector<runtime::TokenEvent>& scores, Delta& delta) {
  echo_due_ = false;
  for (size_t i = 0; i < options_.prompt.size(); ++i) {
    if (options_.scored) {
      ShownToken token = {
          .id = options_.prompt[i], .logprob = {}, .top = {}, .text_offset = characters_};
      if (i > 0 && i - 1 < scores.size()) token = shown(scores[i - 1], characters_);
      delta.tokens.push_back(std::move(token));
    }
    characters_ += characters_in(prompt_pieces_[i]);
    delta.text += prompt_pieces_[i];
  }
  if (!options_.echo_text.empty()) delta.text = options_.echo_text;
  prompt_pieces_.clear();
}

void Choice::take(const runtime::TokenEvent& event, Delta& delta) {
  const std::string piece = decoder_.push(event.token);
  ++generated_;
  if (options_.scored) waiting_.push_back({shown(event, characters_), decoded_});
  characters_ += characters_in(piece);
  decoded_ += piece.size();
  pass_on(stops_.push(piece), delta);
  if (!stops_.stopped()) return;
  stream_.cancel();
  ended_ = true;
  delta.finish_reason = "stop";
}

/// Text that is certain, and with it the tokens that begin in it.
void Choice::pass_on(std::string text, Delta& delta) {
  passed_on_ += text.size();
  delta.text += text;
  const bool all = !stops_.stopped() && passed_on_ == decoded_;
  while (!waiting_.empty() && (all || waiting_.front().begin < passed_on_)) {
    delta.tokens.push_back(std::move(waiting_.front().token));
    waiting_.pop_front();
  }
}

void Choice::take(const runtime::EndEvent& event, Delta& delta) {
  ended_ = true;
  if (event.reason == runtime::Reason::error) throw_api_error(event.kind, event.error);
  if (echo_due_) echo({}, delta);
  const std::string rest = decoder_.finish();
  decoded_ += rest.size();
  pass_on(stops_.push(rest), delta);
  if (!stops_.stopped()) pass_on(stops_.finish(), delta);
  if (options_.scored && options_.shows_end && !stops_.stopped() && event.stop_token)
    delta.tokens.push_back(shown(*event.stop_token, characters_ + characters_in(rest)));
  const bool stopped = stops_.stopped() || event.reason != runtime::Reason::length;
  delta.finish_reason = stopped ? "stop" : "length";
}

}  // namespace octet::server

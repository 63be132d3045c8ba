// From tokens back to text: what a token's spelling means, and the text they make together.
#include "tokenizer/decoder.h"

#include <charconv>

#include "tokenizer/byte_level.h"

namespace octet::tokenizer {
namespace {

struct Apply {
  std::string_view spelling;
  bool first;

  std::string operator()(const SpelledBytes&) const {
    std::string out;
    append_spelled_bytes(spelling, out);
    return out;
  }

  std::string operator()(const ByteFallback&) const {
    unsigned value = 0;
    if (spelling.size() == 6 && spelling.starts_with("<0x") && spelling.ends_with('>')) {
      const char* end = spelling.data() + 5;
      const auto parsed = std::from_chars(spelling.data() + 3, end, value, 16);
      if (parsed.ec == std::errc() && parsed.ptr == end) return {static_cast<char>(value)};
    }
    return std::string(spelling);
  }

  std::string operator()(const MetaspaceToSpace& step) const {
    const bool drop = first && step.prepended;
    return Replacer::of_text(step.replacement, drop ? "" : " ").apply(spelling);
  }

  std::string operator()(const StripToken& step) const {
    std::string_view rest = spelling;
    for (int i = 0; i < step.start && rest.starts_with(step.content); ++i) {
      rest.remove_prefix(step.content.size());
    }
    for (int i = 0; i < step.stop && rest.ends_with(step.content); ++i) {
      rest.remove_suffix(step.content.size());
    }
    return std::string(rest);
  }

  std::string operator()(const Separate& step) const {
    return first ? std::string(spelling) : step.by + std::string(spelling);
  }

  std::string operator()(const Replacer& replacer) const {
    return replacer.apply(replace_broken_utf8(spelling));
  }
};

}  // namespace

Decoder::Decoder(std::vector<DecoderStep> steps, Replacement replacement, StripText strip)
    : steps_(std::move(steps)), replacement_(replacement), strip_(std::move(strip)) {}

std::string Decoder::bytes(std::string_view spelling, bool first) const {
  std::string current(spelling);
  for (const DecoderStep& step : steps_) current = std::visit(Apply{current, first}, step);
  return current;
}

void Decoder::next(std::string_view spelling, DecodeState& state, std::string& out) const {
  state.pending += bytes(spelling, state.first);
  state.first = false;
  std::string characters;
  take_characters(state.pending, replacement_, false, characters);
  emit(characters, state, out);
}

void Decoder::finish(DecodeState& state, std::string& out) const {
  std::string characters;
  take_characters(state.pending, replacement_, true, characters);
  emit(characters, state, out);
}

void Decoder::emit(std::string_view characters, DecodeState& state, std::string& out) const {
  while (state.stripped < strip_.count && characters.starts_with(strip_.content)) {
    characters.remove_prefix(strip_.content.size());
    ++state.stripped;
  }
  if (!characters.empty()) state.stripped = strip_.count;
  out += characters;
}

}  // namespace octet::tokenizer

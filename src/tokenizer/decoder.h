// From tokens back to text: what a token's spelling means, and the text they make together.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/normalizer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer {

/// The spelling is in the alphabet of byte-level BPE.
struct SpelledBytes {};
/// A spelling "<0x41>" is that byte.
struct ByteFallback {};
/// `replacement` is a space; in a text's first token it is nothing when `prepended`.
struct MetaspaceToSpace {
  std::string replacement;
  bool prepended;
};
/// Removes up to `start` and `stop` times `content` at the ends of each token.
struct StripToken {
  std::string content;
  int start;
  int stop;
};
/// Every token but the first is preceded by this.
struct Separate {
  std::string by;
};

using DecoderStep =
    std::variant<SpelledBytes, ByteFallback, MetaspaceToSpace, StripToken, Separate, Replacer>;

/// Removes up to `count` times `content` at the start of the whole text.
struct StripText {
  std::string content;
  int count = 0;
};

class Decoder {
 public:
  Decoder() = default;
  Decoder(std::vector<DecoderStep> steps, Replacement replacement, StripText strip = {});

  /// The bytes that a token spelled `spelling` stands for.
  std::string bytes(std::string_view spelling, bool first) const;

  /// Takes the text's next token and appends the characters that are now complete.
  void next(std::string_view spelling, DecodeState& state, std::string& out) const;

  /// Appends what is left at the end of the text.
  void finish(DecodeState& state, std::string& out) const;

 private:
  void emit(std::string_view characters, DecodeState& state, std::string& out) const;

  std::vector<DecoderStep> steps_;
  Replacement replacement_ = Replacement::kPerSubpart;
  StripText strip_;
};

}  // namespace octet::tokenizer

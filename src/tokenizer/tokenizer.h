// Tokenisers: text to token ids and back, loaded from a model's directory or a GGUF vocabulary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/token_id.h"

namespace octet::tokenizer {

struct EncodeOptions {
  /// Add what the model's tokeniser adds around a text (BOS, EOS).
  bool add_special = true;
  /// Texts of special tokens in the input become those tokens. (Added tokens that are not special,
  /// such as GPT-NeoX's runs of spaces, always do.)
  bool parse_special = true;
};

/// Where a text being decoded stands; starts as {}.
struct DecodeState {
  bool first = true;    ///< no token yet
  int stripped = 0;     ///< what has been removed at the start of the text
  std::string pending;  ///< bytes of an unfinished character
};

/// All functions may be called from several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Any bytes are accepted. Byte-level tokenisers pass bytes that are not UTF-8 through; others
  /// read U+FFFD there. Throws Error when a text is 2 GiB or longer.
  virtual std::vector<TokenId> encode(std::string_view text,
                                      const EncodeOptions& options = {}) const = 0;

  /// The text of the tokens, as Hugging Face decodes it without clean-up; always valid UTF-8.
  /// Ids without a token contribute nothing. Byte-fallback bytes that are no character become one
  /// U+FFFD each, the characters around them stay.
  std::string decode(std::span<const TokenId> ids, bool skip_special = true) const;

  /// The bytes this token contributes in the middle of a text; empty for an id without a token.
  virtual std::string token_bytes(TokenId id) const = 0;

  /// One more than the largest id.
  virtual int64_t vocabulary_size() const = 0;
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  virtual bool is_special(TokenId id) const = 0;

  /// The token that the vocabulary spells so ("<|im_end|>", "Ġthe", "▁the").
  virtual std::optional<TokenId> find(std::string_view spelling) const = 0;

 private:
  friend class StreamDecoder;
  virtual void decode_next(TokenId id, bool skip_special, DecodeState& state,
                           std::string& out) const = 0;
  virtual void decode_end(DecodeState& state, std::string& out) const = 0;
};

/// Decodes token by token into whole UTF-8 characters: what push() and finish() return, joined,
/// is decode() of the sequence.
class StreamDecoder {
 public:
  /// `tokenizer` must outlive this.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}

  /// The characters that are complete now.
  std::string push(TokenId id);

  /// What is left, an unfinished character as U+FFFD; then the decoder starts anew.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  DecodeState state_;
};

/// The tokeniser of a Hugging Face directory: tokenizer.json, else tokenizer.model, else
/// vocab.json + merges.txt; tokenizer_config.json, special_tokens_map.json and config.json are
/// heeded when there. Throws Error naming what was looked for, or what in a file is not supported.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory);

/// The tokeniser of a vocabulary inside a GGUF file. The views need not outlive the call.
std::unique_ptr<Tokenizer> make_gguf_tokenizer(const GgufVocabulary& vocabulary);

}  // namespace octet::tokenizer

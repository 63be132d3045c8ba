// The one tokeniser: added tokens, normaliser, pre-tokeniser, model, what is added, and the
// decoder.
#include "tokenizer/pipeline.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace octet::tokenizer {
namespace {

class PipelineTokenizer final : public Tokenizer {
 public:
  explicit PipelineTokenizer(Pipeline pipeline)
      : pipeline_(std::move(pipeline)), added_(std::move(pipeline_.added), pipeline_.normalizer) {}

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<TokenId> ids;
    if (options.add_special) ids = pipeline_.prefix;
    if (pipeline_.byte_level) {
      encode_raw(text, options.parse_special, ids);
    } else {
      encode_raw(replace_broken_utf8(text), options.parse_special, ids);
    }
    if (options.add_special) {
      ids.insert(ids.end(), pipeline_.suffix.begin(), pipeline_.suffix.end());
    }
    return ids;
  }

  std::string token_bytes(TokenId id) const override {
    const std::string_view text = spelling(id);
    return text.empty() ? std::string() : pipeline_.decoder.bytes(text, false);
  }

  int64_t vocabulary_size() const override {
    return std::max(pipeline_.vocabulary->size(), int64_t{added_.largest_id()} + 1);
  }

  std::optional<TokenId> bos() const override { return pipeline_.bos; }
  std::optional<TokenId> eos() const override { return pipeline_.eos; }

  bool is_special(TokenId id) const override {
    const AddedToken* token = added_.find(id);
    return token != nullptr && token->special;
  }

  std::optional<TokenId> find(std::string_view text) const override {
    if (const AddedToken* token = added_.find(text)) return token->id;
    const TokenId id = pipeline_.vocabulary->find(text);
    return id == kNoToken ? std::nullopt : std::optional(id);
  }

 private:
  std::string_view spelling(TokenId id) const {
    if (const AddedToken* token = added_.find(id)) return token->content;
    return pipeline_.vocabulary->spelling(id);
  }

  void decode_next(TokenId id, bool skip_special, DecodeState& state,
                   std::string& out) const override {
    if (skip_special && is_special(id)) return;
    const std::string_view text = spelling(id);
    if (!text.empty()) pipeline_.decoder.next(text, state, out);
  }

  void decode_end(DecodeState& state, std::string& out) const override {
    pipeline_.decoder.finish(state, out);
  }

  // `text`: as given, broken bytes only in byte-level tokenisers.
  void encode_raw(std::string_view text, bool parse_special, std::vector<TokenId>& ids) const {
    using Where = AddedTokens::Where;
    for (const auto& segment : added_.split(text, Where::kRawText, parse_special)) {
      if (segment.id != kNoToken) {
        ids.push_back(segment.id);
        continue;
      }
      const bool at_start = segment.text.data() == text.data();
      for (size_t begin = 0; begin < segment.text.size();) {
        const std::string_view rest = segment.text.substr(begin);
        const size_t good = well_formed_prefix(rest);
        if (good > 0) {
          encode_text(rest.substr(0, good), at_start && begin == 0, parse_special, ids);
        }
        const size_t bad = broken_prefix(rest.substr(good));
        const Pieces::Piece raw{rest.substr(good, bad), false};
        if (bad > 0) pipeline_.model->encode({&raw, 1}, ids);
        begin += good + bad;
      }
    }
  }

  static size_t broken_prefix(std::string_view text) {
    size_t end = 0;
    while (end < text.size()) {
      const Utf8Unit unit = utf8_unit(text.substr(end));
      if (unit.kind == Utf8Unit::Kind::kCharacter) break;
      end += unit.length;
    }
    return end;
  }

  // `text`: well-formed, without tokens that are looked for in raw text.
  void encode_text(std::string_view text, bool at_start, bool parse_special,
                   std::vector<TokenId>& ids) const {
    std::string changed;
    if (!pipeline_.normalizer.empty()) {
      changed = pipeline_.normalizer.apply(text);
      text = changed;
    }
    using Where = AddedTokens::Where;
    for (const auto& segment : added_.split(text, Where::kNormalizedText, parse_special)) {
      if (segment.id != kNoToken) {
        ids.push_back(segment.id);
        continue;
      }
      const bool first = at_start && segment.text.data() == text.data();
      const Pieces pieces = pipeline_.pre_tokenizer.split(segment.text, first);
      pipeline_.model->encode(pieces.pieces, ids);
    }
  }

  Pipeline pipeline_;
  AddedTokens added_;
};

void check_ids(const Pipeline& pipeline) {
  for (const AddedToken& token : pipeline.added) {
    if (token.id < 0 || token.id > kMaximumTokenId) {
      fail("{}: the added token \"{}\" has the id {}, outside 0 … {}", pipeline.file,
           replace_broken_utf8(token.content), token.id, kMaximumTokenId);
    }
    const std::string_view other = pipeline.vocabulary->spelling(token.id);
    if (!other.empty() && other != token.content) {
      fail("{}: the added token \"{}\" has the id {}, which is \"{}\" in the vocabulary",
           pipeline.file, replace_broken_utf8(token.content), token.id, replace_broken_utf8(other));
    }
  }
  std::vector<TokenId> known;
  for (const AddedToken& token : pipeline.added) known.push_back(token.id);
  std::sort(known.begin(), known.end());
  const auto check = [&](TokenId id) {
    if (pipeline.vocabulary->has(id) || std::binary_search(known.begin(), known.end(), id)) return;
    fail("{}: token id {} is added to every text but is no token", pipeline.file, id);
  };
  for (const TokenId id : pipeline.prefix) check(id);
  for (const TokenId id : pipeline.suffix) check(id);
}

bool has_token(const Pipeline& pipeline, TokenId id) {
  return pipeline.vocabulary->has(id) ||
         std::any_of(pipeline.added.begin(), pipeline.added.end(),
                     [&](const AddedToken& token) { return token.id == id; });
}

// The text names a token, else config.json's number, else the first usual name that is special.
std::optional<TokenId> choose(const Pipeline& pipeline, const std::optional<std::string>& text,
                              std::optional<int64_t> id,
                              std::initializer_list<std::string_view> usual) {
  if (text) {
    const TokenId found = find_token(pipeline, *text);
    if (found != kNoToken) return found;
  }
  if (id && *id >= 0 && *id <= kMaximumTokenId && has_token(pipeline, static_cast<TokenId>(*id))) {
    return static_cast<TokenId>(*id);
  }
  for (const std::string_view name : usual) {
    for (const AddedToken& token : pipeline.added) {
      if (token.special && token.content == name) return token.id;
    }
  }
  return std::nullopt;
}

}  // namespace

std::unique_ptr<Tokenizer> make_pipeline(Pipeline pipeline) {
  OCTET_CHECK(pipeline.vocabulary != nullptr && pipeline.model != nullptr);
  check_ids(pipeline);
  return std::make_unique<PipelineTokenizer>(std::move(pipeline));
}

TokenId find_token(const Pipeline& pipeline, std::string_view spelling) {
  for (const AddedToken& token : pipeline.added) {
    if (token.content == spelling) return token.id;
  }
  return pipeline.vocabulary->find(spelling);
}

void apply_config(const DirectoryConfig& config, Pipeline& pipeline) {
  if (!pipeline.bos) {
    pipeline.bos = choose(pipeline, config.bos_text, config.bos_id,
                          {"<s>", "<|begin_of_text|>", "<bos>", "<|endoftext|>"});
  }
  if (!pipeline.eos) {
    pipeline.eos = choose(pipeline, config.eos_text, config.eos_id,
                          {"</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>"});
  }
  if (config.add_bos && pipeline.bos) {
    std::erase(pipeline.prefix, *pipeline.bos);
    if (*config.add_bos) pipeline.prefix.insert(pipeline.prefix.begin(), *pipeline.bos);
  }
  if (config.add_eos && pipeline.eos) {
    std::erase(pipeline.suffix, *pipeline.eos);
    if (*config.add_eos) pipeline.suffix.push_back(*pipeline.eos);
  }
}

}  // namespace octet::tokenizer

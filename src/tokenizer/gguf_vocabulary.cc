// Tokenisers of the vocabularies inside GGUF files.
#include "tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "tokenizer/bpe.h"
#include "tokenizer/gguf_pre_tokenizer.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/score_bpe.h"
#include "tokenizer/unigram.h"

namespace octet::tokenizer {
namespace {

// tokenizer.ggml.token_type
enum TokenType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

int32_t type_of(const GgufVocabulary& source, size_t id) {
  return source.types.empty() ? int32_t{kNormal} : source.types[id];
}

void check_sizes(const GgufVocabulary& source) {
  const size_t tokens = source.tokens.size();
  if (tokens == 0) fail("{}: the vocabulary is empty", source.file);
  if (tokens > static_cast<size_t>(kMaximumTokenId)) {
    fail("{}: a vocabulary of {} tokens is not supported", source.file, tokens);
  }
  if (!source.types.empty() && source.types.size() != tokens) {
    fail("{}: {} tokens but {} token types", source.file, tokens, source.types.size());
  }
  const bool scored = source.model == "llama" || source.model == "t5";
  if (scored && source.scores.size() != tokens) {
    fail("{}: {} tokens but {} scores", source.file, tokens, source.scores.size());
  }
}

std::shared_ptr<const Vocabulary> make_vocabulary(const GgufVocabulary& source) {
  auto vocabulary = std::make_shared<Vocabulary>();
  size_t bytes = 0;
  for (const std::string_view token : source.tokens) bytes += token.size();
  vocabulary->reserve(source.tokens.size(), bytes);
  TokenId id = 0;
  for (const std::string_view token : source.tokens) vocabulary->add(token, id++);
  return vocabulary;
}

std::vector<AddedToken> make_added(const GgufVocabulary& source) {
  std::vector<AddedToken> added;
  for (size_t id = 0; id < source.tokens.size(); ++id) {
    const int32_t type = type_of(source, id);
    const bool special = type == kControl || type == kUnknown;
    if (!special && type != kUserDefined) continue;
    added.push_back({.id = static_cast<TokenId>(id),
                     .content = std::string(source.tokens[id]),
                     .special = special});
  }
  return added;
}

std::optional<TokenId> checked_id(const GgufVocabulary& source, const char* key,
                                  std::optional<int64_t> id) {
  if (!id) return std::nullopt;
  if (*id < 0 || *id >= static_cast<int64_t>(source.tokens.size())) {
    fail("{}: {} is {}, but there are {} tokens", source.file, key, *id, source.tokens.size());
  }
  return static_cast<TokenId>(*id);
}

// Files older than these keys mean LLaMA's ids when those are control tokens.
std::optional<TokenId> llama_default(const GgufVocabulary& source, size_t id) {
  const bool is_control = id < source.tokens.size() && type_of(source, id) == kControl;
  return is_control ? std::optional(static_cast<TokenId>(id)) : std::nullopt;
}

void add_around(const GgufVocabulary& source, bool bos_by_default, Pipeline& pipeline) {
  if (source.add_bos.value_or(bos_by_default && pipeline.bos)) {
    if (!pipeline.bos) fail("{}: add_bos_token is set without bos_token_id", source.file);
    pipeline.prefix = {*pipeline.bos};
  }
  if (source.add_eos.value_or(false)) {
    if (!pipeline.eos) fail("{}: add_eos_token is set without eos_token_id", source.file);
    pipeline.suffix = {*pipeline.eos};
  }
}

void make_byte_level(const GgufVocabulary& source, Pipeline& pipeline) {
  GgufPreTokenizer pre = make_gguf_pre_tokenizer(source.pre, source.file);
  pipeline.byte_level = true;
  pipeline.normalizer = std::move(pre.normalizer);
  pipeline.pre_tokenizer = std::move(pre.pre_tokenizer);
  MergeTable merges;
  merges.reserve(source.merges.size());
  size_t number = 0;
  for (const std::string_view merge : source.merges) {
    add_merge(merge, *pipeline.vocabulary, {source.file, "merge", number++}, merges);
  }
  const auto unknown = checked_id(source, "unknown_token_id", source.unknown);
  pipeline.model = std::make_unique<BpeModel>(pipeline.vocabulary, std::move(merges),
                                              BpeOptions{.byte_level = true,
                                                         .ignore_merges = pre.ignore_merges,
                                                         .unknown = unknown.value_or(kNoToken)});
  std::vector<DecoderStep> steps;
  steps.emplace_back(SpelledBytes{});
  pipeline.decoder = Decoder(std::move(steps), Replacement::kPerSubpart);
  add_around(source, pre.add_bos, pipeline);
}

// Ranks of equal scores are equal, so that the leftmost of them merges first.
std::vector<uint32_t> ranks_of(const GgufVocabulary& source) {
  std::vector<uint32_t> order(source.scores.size());
  std::iota(order.begin(), order.end(), 0u);
  for (const float score : source.scores) {
    if (std::isnan(score)) fail("{}: a token's score is not a number", source.file);
  }
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return source.scores[a] > source.scores[b]; });
  std::vector<uint32_t> rank(order.size());
  uint32_t current = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && source.scores[order[i]] != source.scores[order[i - 1]]) ++current;
    rank[order[i]] = current;
  }
  for (size_t id = 0; id < rank.size(); ++id) {
    const int32_t type = type_of(source, id);
    if (type == kUnknown || type == kControl || type == kByte) rank[id] = kNoSymbol;
  }
  return rank;
}

std::optional<TokenId> unknown_token(const GgufVocabulary& source) {
  auto unknown = checked_id(source, "unknown_token_id", source.unknown);
  for (size_t id = 0; id < source.tokens.size() && !unknown; ++id) {
    if (type_of(source, id) == kUnknown) unknown = static_cast<TokenId>(id);
  }
  return unknown;
}

// SentencePiece's: "▁" is a space, of which the first may have been put there.
Decoder spelled_spaces(bool space_prefix) {
  std::vector<DecoderStep> steps;
  steps.emplace_back(Replacer::of_text("▁", " "));
  steps.emplace_back(ByteFallback{});
  return Decoder(std::move(steps), Replacement::kPerByte, StripText{" ", space_prefix ? 1 : 0});
}

void make_sentencepiece(const GgufVocabulary& source, Pipeline& pipeline) {
  const bool space_prefix = source.add_space_prefix.value_or(true);
  std::vector<NormalizerStep> steps;
  if (space_prefix) steps.emplace_back(Prepend{"▁"});
  steps.emplace_back(Replacer::of_text(" ", "▁"));
  pipeline.normalizer = Normalizer(std::move(steps));
  pipeline.model = std::make_unique<ScoreBpeModel>(pipeline.vocabulary, ranks_of(source),
                                                   unknown_token(source).value_or(kNoToken));
  pipeline.decoder = spelled_spaces(space_prefix);
  if (!pipeline.bos) pipeline.bos = llama_default(source, 1);
  if (!pipeline.eos) pipeline.eos = llama_default(source, 2);
  add_around(source, true, pipeline);
}

// Texts are cut into tokens of these; the others only stand where they are written out. What they
// score must not count: the padding's is lower than any.
std::unique_ptr<UnigramModel> make_unigram_model(const GgufVocabulary& source) {
  auto vocabulary = std::make_shared<Vocabulary>();
  std::vector<double> scores(source.tokens.size(), 0);
  bool any = false;
  for (size_t id = 0; id < source.tokens.size(); ++id) {
    const int32_t type = type_of(source, id);
    if (type == kControl || type == kUnknown || type == kUnused) continue;
    if (!std::isfinite(source.scores[id])) {
      fail("{}: a token's score is not a number", source.file);
    }
    any = true;
    scores[id] = static_cast<double>(source.scores[id]);
    vocabulary->add(source.tokens[id], static_cast<TokenId>(id));
  }
  if (!any) fail("{}: the vocabulary has no usual tokens", source.file);
  const bool bytes = std::ranges::find(source.types, int32_t{kByte}) != source.types.end();
  return std::make_unique<UnigramModel>(std::move(vocabulary), std::move(scores),
                                        unknown_token(source).value_or(kNoToken), bytes);
}

void make_unigram(const GgufVocabulary& source, Pipeline& pipeline) {
  const bool space_prefix = source.add_space_prefix.value_or(true);
  if (!source.charsmap.empty()) {
    std::vector<NormalizerStep> steps;
    steps.emplace_back(Charsmap(source.charsmap));
    pipeline.normalizer = Normalizer(std::move(steps));
  }
  std::vector<PreTokenizerStep> steps;
  using enum Metaspace::Prepend;
  if (source.remove_extra_whitespaces.value_or(true)) {
    if (!space_prefix) {
      fail("{}: add_space_prefix false with remove_extra_whitespaces true is not supported",
           source.file);
    }
    steps.emplace_back(SplitAtPattern{Regex(R"(\s)"), SplitBehavior::kRemoved, false});
    steps.emplace_back(Metaspace{"▁", kAlways, true});
  } else {
    steps.emplace_back(Metaspace{"▁", space_prefix ? kFirst : kNever, true});
  }
  pipeline.pre_tokenizer = PreTokenizer(std::move(steps));
  pipeline.model = make_unigram_model(source);
  pipeline.decoder = spelled_spaces(space_prefix);
  if (source.add_eos.value_or(true) && pipeline.eos) pipeline.suffix = {*pipeline.eos};
  if (source.add_bos.value_or(false) && pipeline.bos) pipeline.prefix = {*pipeline.bos};
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const checkpoint::GgufMetadata& metadata,
                                    const std::string& file) {
  const std::string base = "tokenizer.ggml.";
  const auto model = metadata.string(base + "model");
  if (!model) fail("{}: carries no tokeniser (tokenizer.ggml.model)", file);
  GgufVocabulary vocabulary;
  vocabulary.file = file;
  vocabulary.model = *model;
  vocabulary.pre = metadata.string(base + "pre").value_or("");
  if (auto tokens = metadata.strings(base + "tokens")) vocabulary.tokens = std::move(*tokens);
  if (auto merges = metadata.strings(base + "merges")) vocabulary.merges = std::move(*merges);
  if (auto scores = metadata.numbers(base + "scores")) vocabulary.scores = std::move(*scores);
  if (const auto types = metadata.integers(base + "token_type")) {
    vocabulary.types.assign(types->begin(), types->end());
  }
  vocabulary.bos = metadata.integer(base + "bos_token_id");
  vocabulary.eos = metadata.integer(base + "eos_token_id");
  vocabulary.unknown = metadata.integer(base + "unknown_token_id");
  vocabulary.add_bos = metadata.boolean(base + "add_bos_token");
  vocabulary.add_eos = metadata.boolean(base + "add_eos_token");
  vocabulary.add_space_prefix = metadata.boolean(base + "add_space_prefix");
  vocabulary.remove_extra_whitespaces = metadata.boolean(base + "remove_extra_whitespaces");
  if (const auto bytes = metadata.integers(base + "precompiled_charsmap")) {
    vocabulary.charsmap.assign(bytes->begin(), bytes->end());
  }
  return vocabulary;
}

std::unique_ptr<Tokenizer> make_gguf_tokenizer(const GgufVocabulary& source) {
  check_sizes(source);
  Pipeline pipeline;
  pipeline.file = source.file;
  pipeline.vocabulary = make_vocabulary(source);
  pipeline.added = make_added(source);
  pipeline.bos = checked_id(source, "bos_token_id", source.bos);
  pipeline.eos = checked_id(source, "eos_token_id", source.eos);
  if (source.model == "gpt2") {
    make_byte_level(source, pipeline);
  } else if (source.model == "llama") {
    make_sentencepiece(source, pipeline);
  } else if (source.model == "t5") {
    make_unigram(source, pipeline);
  } else {
    fail("{}: tokenizer.ggml.model is \"{}\"; \"gpt2\", \"llama\" and \"t5\" are supported",
         source.file, source.model);
  }
  return make_pipeline(std::move(pipeline));
}

}  // namespace octet::tokenizer

// GPT-2's two files: vocab.json and merges.txt.
#include "tokenizer/vocabulary_files.h"

#include <algorithm>

#include "tokenizer/bpe.h"
#include "tokenizer/json_components.h"
#include "tokenizer/json_node.h"
#include "tokenizer/pipeline.h"

namespace octet::tokenizer {
namespace {

MergeTable read_merges(std::string_view text, const std::string& file,
                       const Vocabulary& vocabulary) {
  MergeTable table;
  table.reserve(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1);
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    add_merge(line, vocabulary, {file, "line", number}, table);
  }
  return table;
}

bool looks_like_opt(const Vocabulary& vocabulary) {
  return vocabulary.spelling(0) == "<s>" && vocabulary.spelling(1) == "<pad>" &&
         vocabulary.spelling(2) == "</s>" && vocabulary.spelling(3) == "<unk>";
}

// Fills in what the files beside the vocabulary leave open.
DirectoryConfig completed(DirectoryConfig config, const Vocabulary& vocabulary) {
  const bool named = config.bos_text || config.eos_text;
  if (!named && looks_like_opt(vocabulary)) {
    config.bos_text = config.eos_text = "</s>";
    config.special_texts.insert(config.special_texts.end(), {"</s>", "<pad>"});
    if (!config.add_bos) config.add_bos = true;
  } else if (!named && vocabulary.find("<|endoftext|>") != kNoToken) {
    config.bos_text = config.eos_text = "<|endoftext|>";
    config.special_texts.emplace_back("<|endoftext|>");
  }
  return config;
}

void add_special_tokens(const DirectoryConfig& config, Pipeline& pipeline) {
  pipeline.added = config.added;
  for (const std::string& text : config.special_texts) {
    const bool known = std::any_of(pipeline.added.begin(), pipeline.added.end(),
                                   [&](const AddedToken& token) { return token.content == text; });
    const TokenId id = pipeline.vocabulary->find(text);
    if (!known && id != kNoToken) {
      pipeline.added.push_back({.id = id, .content = text, .special = true});
    }
  }
}

}  // namespace

std::unique_ptr<Tokenizer> parse_vocabulary_files(const VocabularyFiles& files,
                                                  const DirectoryConfig& given) {
  Pipeline pipeline;
  pipeline.file = files.vocab_file;
  pipeline.byte_level = true;
  std::shared_ptr<Vocabulary> vocabulary;
  {
    const nlohmann::json document = parse_json(files.vocab, files.vocab_file);
    vocabulary = read_vocabulary(JsonNode(document, files.vocab_file));
  }
  pipeline.vocabulary = vocabulary;
  const DirectoryConfig config = completed(given, *vocabulary);
  BpeOptions options{.byte_level = true};
  if (config.unknown_text) options.unknown = vocabulary->find(*config.unknown_text);
  pipeline.model = std::make_unique<BpeModel>(
      vocabulary, read_merges(files.merges, files.merges_file, *vocabulary), options);
  std::vector<PreTokenizerStep> steps;
  if (config.add_prefix_space.value_or(false)) steps.emplace_back(PrefixSpace{});
  steps.push_back(isolate(kGpt2Pattern));
  pipeline.pre_tokenizer = PreTokenizer(std::move(steps));
  std::vector<DecoderStep> decoding;
  decoding.emplace_back(SpelledBytes{});
  pipeline.decoder = Decoder(std::move(decoding), Replacement::kPerSubpart);
  add_special_tokens(config, pipeline);
  apply_config(config, pipeline);
  return make_pipeline(std::move(pipeline));
}

}  // namespace octet::tokenizer

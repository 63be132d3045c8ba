// Hugging Face's tokenizer.json.
#include "tokenizer/tokenizer_json.h"

#include <cmath>

#include "tokenizer/bpe.h"
#include "tokenizer/json_components.h"
#include "tokenizer/json_node.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/unigram.h"

namespace octet::tokenizer {
namespace {

bool flag(const JsonNode& node, const char* key) {
  const auto member = node.find(key);
  return member && member->boolean();
}

// "a b", or ["a", "b"] so that tokens may hold spaces.
MergeTable read_merges(const JsonNode& node, const Vocabulary& vocabulary) {
  const nlohmann::json& merges = node.json();
  if (!merges.is_array()) node.fail("must be an array");
  MergeTable table;
  table.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const nlohmann::json& merge = merges[i];
    if (merge.is_string()) {
      add_merge(merge.get_ref<const std::string&>(), vocabulary, {node.place(), "merge", i}, table);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      add_merge(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>(),
                vocabulary, {node.place(), "merge", i}, table);
    } else {
      node.fail("holds at {} neither \"left right\" nor [\"left\", \"right\"]", i);
    }
  }
  return table;
}

void refuse_text(const JsonNode& model, const char* key) {
  const auto text = model.find(key);
  if (text && !text->string().empty())
    text->fail("is \"{}\", which is not supported", text->string());
}

void read_bpe(const JsonNode& model, Pipeline& pipeline) {
  refuse_text(model, "continuing_subword_prefix");
  refuse_text(model, "end_of_word_suffix");
  if (const auto dropout = model.find("dropout"); dropout && dropout->number() != 0) {
    dropout->fail("makes tokens random, which is not supported");
  }
  auto vocabulary = read_vocabulary(model["vocab"]);
  MergeTable merges = read_merges(model["merges"], *vocabulary);
  BpeOptions options{.byte_level = pipeline.byte_level,
                     .byte_fallback = flag(model, "byte_fallback"),
                     .ignore_merges = flag(model, "ignore_merges"),
                     .fuse_unknown = flag(model, "fuse_unk")};
  if (const auto unknown = model.find("unk_token")) {
    options.unknown = vocabulary->find(unknown->string());
  }
  pipeline.vocabulary = vocabulary;
  pipeline.model = std::make_unique<BpeModel>(vocabulary, std::move(merges), options);
}

void read_unigram(const JsonNode& model, Pipeline& pipeline) {
  const JsonNode vocab = model["vocab"];
  const nlohmann::json& tokens = vocab.json();
  if (!tokens.is_array() || tokens.empty()) vocab.fail("must be an array of tokens and scores");
  auto vocabulary = std::make_shared<Vocabulary>();
  vocabulary->reserve(tokens.size(), 0);
  std::vector<double> scores;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const nlohmann::json& token = tokens[id];
    const bool valid = token.is_array() && token.size() == 2 && token[0].is_string() &&
                       token[1].is_number() && std::isfinite(token[1].get<double>());
    if (!valid) vocab.fail("holds at {} no token with its score", id);
    if (id > static_cast<size_t>(kMaximumTokenId)) vocab.fail("is too long");
    vocabulary->add(token[0].get_ref<const std::string&>(), static_cast<TokenId>(id));
    scores.push_back(token[1].get<double>());
  }
  TokenId unknown = kNoToken;
  if (const auto id = model.find("unk_id")) {
    unknown = static_cast<TokenId>(id->integer(0, static_cast<int64_t>(tokens.size()) - 1));
  }
  pipeline.vocabulary = vocabulary;
  pipeline.model = std::make_unique<UnigramModel>(vocabulary, std::move(scores), unknown,
                                                  flag(model, "byte_fallback"));
}

// Old files leave the type out; the members tell.
std::string model_type(const JsonNode& model) {
  if (const auto type = model.find("type")) return type->string();
  if (model.find("merges")) return "BPE";
  const auto vocab = model.find("vocab");
  return vocab && vocab->is_array() ? "Unigram" : "";
}

void read_model(const JsonNode& model, Pipeline& pipeline) {
  const std::string type = model_type(model);
  if (type == "BPE") {
    read_bpe(model, pipeline);
  } else if (type == "Unigram" && !pipeline.byte_level) {
    read_unigram(model, pipeline);
  } else {
    model.fail("is of the type \"{}\"{}, which is not supported", type,
               pipeline.byte_level ? " behind ByteLevel" : "");
  }
}

void read_decoding(const JsonNode& root, Pipeline& pipeline) {
  const auto node = root.find("decoder");
  JsonDecoder read;
  if (node) {
    read = read_decoder(*node);
  } else if (!pipeline.byte_level) {  // without a decoder tokens are joined by spaces
    std::vector<DecoderStep> steps;
    steps.emplace_back(Separate{" "});
    read.decoder = Decoder(std::move(steps), Replacement::kPerSubpart);
  }
  if (node && read.byte_level != pipeline.byte_level) {
    node->fail("and pre_tokenizer: only one of them is ByteLevel, which is not supported");
  }
  if (!node && pipeline.byte_level) {
    std::vector<DecoderStep> steps;
    steps.emplace_back(SpelledBytes{});
    read.decoder = Decoder(std::move(steps), Replacement::kPerSubpart);
  }
  pipeline.decoder = std::move(read.decoder);
}

}  // namespace

AddedToken read_added_token(const JsonNode& node) {
  AddedToken token;
  token.content = node["content"].string();
  token.special = flag(node, "special");
  token.single_word = flag(node, "single_word");
  token.lstrip = flag(node, "lstrip");
  token.rstrip = flag(node, "rstrip");
  const auto normalized = node.find("normalized");
  token.normalized = normalized ? normalized->boolean() : !token.special;
  return token;
}

std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view text, const std::string& file,
                                                const DirectoryConfig& config) {
  const nlohmann::json document = parse_json(text, file);
  const JsonNode root(document, file);
  Pipeline pipeline;
  pipeline.file = file;
  if (const auto node = root.find("normalizer")) pipeline.normalizer = read_normalizer(*node);
  if (const auto node = root.find("pre_tokenizer")) {
    JsonPreTokenizer read = read_pre_tokenizer(*node);
    pipeline.pre_tokenizer = std::move(read.pre_tokenizer);
    pipeline.byte_level = read.byte_level;
  }
  read_model(root["model"], pipeline);
  read_decoding(root, pipeline);
  if (const auto added = root.find("added_tokens")) {
    for (const JsonNode& node : added->elements()) {
      AddedToken token = read_added_token(node);
      token.id = static_cast<TokenId>(node["id"].integer(0, kMaximumTokenId));
      pipeline.added.push_back(std::move(token));
    }
  }
  if (const auto node = root.find("post_processor")) {
    JsonTemplate added = read_post_processor(*node);
    pipeline.prefix = std::move(added.prefix);
    pipeline.suffix = std::move(added.suffix);
  }
  apply_config(config, pipeline);
  return make_pipeline(std::move(pipeline));
}

}  // namespace octet::tokenizer

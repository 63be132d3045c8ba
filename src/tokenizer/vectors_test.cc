// Every case of the reference vectors: the ids of the original tokenisers, and the text back.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.h"
#include "support/shared_data.h"
#include "tokenizer/tokenizer.h"

namespace octet::tokenizer {
namespace {

using test::shared_path;

std::filesystem::path tokenizer_path(const std::string& name) {
  return shared_path("tokenizers/" + name);
}

struct Case {
  std::string text;
  std::vector<TokenId> ids;
};

std::vector<Case> read_ids_json(const std::filesystem::path& path) {
  const nlohmann::json document = nlohmann::json::parse(read_file(path));
  std::vector<Case> cases;
  for (const auto& item : document["cases"]) {
    cases.push_back({item["text"].get<std::string>(), item["ids"].get<std::vector<TokenId>>()});
  }
  return cases;
}

// llama.cpp's pair of files: texts between separator lines, and a line of ids for each.
std::vector<Case> read_inp_out(const std::filesystem::path& stem) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  const std::string texts = read_file(stem.string() + ".inp");
  std::istringstream lines(read_file(stem.string() + ".out"));
  std::vector<Case> cases;
  for (size_t begin = 0; begin < texts.size();) {
    const size_t end = std::min(texts.find(separator, begin), texts.size());
    Case item{texts.substr(begin, end - begin), {}};
    std::string line;
    std::getline(lines, line);
    std::istringstream numbers(line);
    for (TokenId id = 0; numbers >> id;) item.ids.push_back(id);
    cases.push_back(std::move(item));
    begin = end + separator.size();
  }
  return cases;
}

constexpr EncodeOptions kPlain{.add_special = false, .parse_special = false};
constexpr EncodeOptions kParsed{.add_special = false, .parse_special = true};
constexpr EncodeOptions kFull{.add_special = true, .parse_special = true};

enum class Decodes { kToTheText, kNotAlways };

void check(const Tokenizer& tokenizer, const std::vector<Case>& cases, const EncodeOptions& options,
           Decodes decodes) {
  ASSERT_GT(cases.size(), 20u);
  for (const Case& item : cases) {
    EXPECT_EQ(tokenizer.encode(item.text, options), item.ids) << item.text;
    if (decodes == Decodes::kToTheText) {
      EXPECT_EQ(tokenizer.decode(item.ids, false), item.text);
    }
  }
}

TEST(Vectors, Gpt2FromVocabularyAndMerges) {
  OCTET_REQUIRE_PATH(tokenizer_path("gpt2"));
  const auto tokenizer = load_tokenizer(tokenizer_path("gpt2"));
  check(*tokenizer, read_inp_out(tokenizer_path("vectors/ggml-vocab-gpt-2.gguf")), kPlain,
        Decodes::kToTheText);
  check(*tokenizer, read_ids_json(tokenizer_path("vectors/gpt2.ids.json")), kPlain,
        Decodes::kToTheText);
}

TEST(Vectors, OptFromVocabularyAndMerges) {
  OCTET_REQUIRE_PATH(tokenizer_path("opt"));
  const auto tokenizer = load_tokenizer(tokenizer_path("opt"));
  check(*tokenizer, read_ids_json(tokenizer_path("vectors/opt.ids.json")), kPlain,
        Decodes::kToTheText);
}

TEST(Vectors, Llama2FromTokenizerModel) {
  OCTET_REQUIRE_PATH(tokenizer_path("llama2"));
  const auto tokenizer = load_tokenizer(tokenizer_path("llama2"));
  check(*tokenizer, read_inp_out(tokenizer_path("vectors/ggml-vocab-llama-spm.gguf")), kPlain,
        Decodes::kToTheText);
  check(*tokenizer, read_ids_json(tokenizer_path("vectors/llama2-sentencepiece.ids.json")), kPlain,
        Decodes::kToTheText);
}

TEST(Vectors, GptJFromTokenizerJson) {
  OCTET_REQUIRE_PATH(tokenizer_path("gpt-j-6b"));
  const auto tokenizer = load_tokenizer(tokenizer_path("gpt-j-6b"));
  check(*tokenizer, read_ids_json(tokenizer_path("vectors/gpt-j-6b.ids.json")), kParsed,
        Decodes::kToTheText);
  check(*tokenizer, read_ids_json(tokenizer_path("vectors/gpt-j-6b-special.ids.json")), kFull,
        Decodes::kToTheText);
}

// Its normaliser composes characters, so that the text need not come back.
TEST(Vectors, GptNeoXFromTokenizerJson) {
  OCTET_REQUIRE_PATH(tokenizer_path("gpt-neox-20b"));
  const auto tokenizer = load_tokenizer(tokenizer_path("gpt-neox-20b"));
  check(*tokenizer, read_ids_json(tokenizer_path("vectors/gpt-neox-20b.ids.json")), kParsed,
        Decodes::kNotAlways);
  check(*tokenizer, read_ids_json(tokenizer_path("vectors/gpt-neox-20b-special.ids.json")), kFull,
        Decodes::kNotAlways);
}

TEST(Vectors, T5FromTokenizerJson) {
  OCTET_REQUIRE_PATH(tokenizer_path("t5-small"));
  const auto tokenizer = load_tokenizer(tokenizer_path("t5-small"));
  check(*tokenizer, read_ids_json(tokenizer_path("vectors/t5-small.ids.json")), kParsed,
        Decodes::kNotAlways);
  check(*tokenizer, read_ids_json(tokenizer_path("vectors/t5-small-special.ids.json")), kFull,
        Decodes::kNotAlways);
}

}  // namespace
}  // namespace octet::tokenizer

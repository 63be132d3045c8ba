// Finding the tokeniser of a model's directory.
#include "base/error.h"
#include "base/file.h"
#include "tokenizer/directory_config.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/vocabulary_files.h"

namespace octet::tokenizer {
namespace {

constexpr size_t kLargestFileBytes = size_t{256} << 20;

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory) {
  const auto has = [&](const char* name) { return std::filesystem::exists(directory / name); };
  const auto path = [&](const char* name) { return (directory / name).string(); };
  const auto read = [&](const char* name) {
    return read_file(directory / name, kLargestFileBytes);
  };
  if (has("tokenizer.json")) {
    return parse_tokenizer_json(read("tokenizer.json"), path("tokenizer.json"),
                                read_directory_config(directory));
  }
  if (has("tokenizer.model")) {
    return parse_sentencepiece(read("tokenizer.model"), path("tokenizer.model"),
                               read_directory_config(directory));
  }
  if (has("vocab.json") && has("merges.txt")) {
    const std::string vocab = read("vocab.json");
    const std::string merges = read("merges.txt");
    return parse_vocabulary_files({vocab, path("vocab.json"), merges, path("merges.txt")},
                                  read_directory_config(directory));
  }
  fail(
      "{}: no tokeniser here; looked for tokenizer.json, tokenizer.model, "
      "and vocab.json with merges.txt",
      directory.string());
}

}  // namespace octet::tokenizer

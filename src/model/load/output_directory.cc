// The directory that a converted model is written to: made empty, filled with the tokeniser's
// files.
#include "model/load/output_directory.h"

#include <array>

#include "base/error.h"
#include "base/file.h"
#include "model/load/quantized.h"

namespace octet::model {

void make_output_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error || !std::filesystem::is_directory(directory)) {
    fail("{}: cannot make this directory: {}", directory.string(), error.message());
  }
  if (!std::filesystem::is_empty(directory)) {
    fail("{}: is not empty; choose a new directory", directory.string());
  }
}

void copy_tokenizer(const checkpoint::Checkpoint& source, const std::filesystem::path& directory) {
  if (const checkpoint::Gguf* gguf = source.gguf()) {
    write_file(directory / kVocabularyFile, gguf->metadata_file());
    return;
  }
  constexpr std::array<const char*, 9> kFiles = {"tokenizer.json",
                                                 "tokenizer_config.json",
                                                 "tokenizer.model",
                                                 "special_tokens_map.json",
                                                 "added_tokens.json",
                                                 "vocab.json",
                                                 "merges.txt",
                                                 "chat_template.jinja",
                                                 "generation_config.json"};
  for (const char* name : kFiles) {
    if (const auto file = source.sibling(name)) write_file(directory / name, read_file(*file));
  }
  if (const auto file = source.sibling(kVocabularyFile)) {
    write_file(directory / kVocabularyFile, read_file(*file));
  }
}

}  // namespace octet::model

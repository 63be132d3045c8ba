// What the files beside a vocabulary say about it: special tokens and what is added to a text.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"

namespace octet::tokenizer {

struct DirectoryConfig {
  std::optional<std::string> bos_text = {};
  std::optional<std::string> eos_text = {};
  std::optional<std::string> unknown_text = {};
  std::optional<int64_t> bos_id = {};  ///< config.json; used when there is no text
  std::optional<int64_t> eos_id = {};
  std::optional<bool> add_bos = {};
  std::optional<bool> add_eos = {};
  std::optional<bool> add_prefix_space = {};
  /// Of special_tokens_map.json and tokenizer_config.json.
  std::vector<std::string> special_texts = {};
  std::vector<AddedToken> added = {};  ///< tokenizer_config.json's added_tokens_decoder
};

/// Reads tokenizer_config.json, special_tokens_map.json and config.json where they are.
DirectoryConfig read_directory_config(const std::filesystem::path& directory);

/// The parts of read_directory_config(), from the text of each file.
void read_tokenizer_config(std::string_view text, const std::string& file, DirectoryConfig& config);
void read_special_tokens_map(std::string_view text, const std::string& file,
                             DirectoryConfig& config);
void read_model_config(std::string_view text, const std::string& file, DirectoryConfig& config);

}  // namespace octet::tokenizer

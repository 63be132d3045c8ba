// What the files beside a vocabulary say about it: special tokens and what is added to a text.
#include "tokenizer/directory_config.h"

#include <charconv>

#include "base/file.h"
#include "tokenizer/json_node.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/vocabulary.h"

namespace octet::tokenizer {
namespace {

constexpr size_t kLargestConfigBytes = size_t{64} << 20;

// A special token is given as its text or as an object with its text as "content".
std::string token_text(const JsonNode& node) {
  return node.is_object() ? node["content"].string() : node.string();
}

void read_special_texts(const JsonNode& root, DirectoryConfig& config) {
  const auto read = [&](const char* key, std::optional<std::string>* out) {
    const auto node = root.find(key);
    if (!node) return;
    std::string text = token_text(*node);
    if (out != nullptr && !*out) *out = text;
    config.special_texts.push_back(std::move(text));
  };
  read("bos_token", &config.bos_text);
  read("eos_token", &config.eos_text);
  read("unk_token", &config.unknown_text);
  for (const char* key : {"pad_token", "sep_token", "cls_token", "mask_token"}) {
    read(key, nullptr);
  }
  const auto additional = root.find("additional_special_tokens");
  if (!additional || !additional->is_array()) return;
  for (const JsonNode& node : additional->elements()) {
    config.special_texts.push_back(token_text(node));
  }
}

// An id, or the first of a list of them.
std::optional<int64_t> first_id(const JsonNode& root, const char* key) {
  const auto node = root.find(key);
  if (!node) return std::nullopt;
  if (!node->is_array()) return node->integer(-1, INT32_MAX);
  const auto ids = node->elements();
  return ids.empty() ? std::nullopt : std::optional(ids.front().integer(-1, INT32_MAX));
}

}  // namespace

void read_tokenizer_config(std::string_view text, const std::string& file,
                           DirectoryConfig& config) {
  const nlohmann::json document = parse_json(text, file);
  const JsonNode root(document, file);
  read_special_texts(root, config);
  const auto flag = [&](const char* key, std::optional<bool>& out) {
    if (const auto node = root.find(key)) out = node->boolean();
  };
  flag("add_bos_token", config.add_bos);
  flag("add_eos_token", config.add_eos);
  flag("add_prefix_space", config.add_prefix_space);
  const auto added = root.find("added_tokens_decoder");
  if (!added) return;
  if (!added->is_object()) added->fail("must be an object");
  for (const auto& [key, value] : added->json().items()) {
    AddedToken token = read_added_token((*added)[key.c_str()]);
    const char* end = key.data() + key.size();
    const auto parsed = std::from_chars(key.data(), end, token.id);
    if (parsed.ec != std::errc() || parsed.ptr != end || token.id < 0 ||
        token.id > kMaximumTokenId) {
      added->fail("has the key \"{}\", which is no token id", key);
    }
    config.added.push_back(std::move(token));
  }
}

void read_special_tokens_map(std::string_view text, const std::string& file,
                             DirectoryConfig& config) {
  const nlohmann::json document = parse_json(text, file);
  read_special_texts(JsonNode(document, file), config);
}

void read_model_config(std::string_view text, const std::string& file, DirectoryConfig& config) {
  const nlohmann::json document = parse_json(text, file);
  const JsonNode root(document, file);
  config.bos_id = first_id(root, "bos_token_id");
  config.eos_id = first_id(root, "eos_token_id");
}

DirectoryConfig read_directory_config(const std::filesystem::path& directory) {
  DirectoryConfig config;
  const auto read = [&](const char* name, auto reader) {
    const std::filesystem::path path = directory / name;
    if (!std::filesystem::exists(path)) return;
    reader(read_file(path, kLargestConfigBytes), path.string(), config);
  };
  read("tokenizer_config.json", read_tokenizer_config);
  read("special_tokens_map.json", read_special_tokens_map);
  read("config.json", read_model_config);
  return config;
}

}  // namespace octet::tokenizer

// Finding the chat templates of a model: in a directory's files or in GGUF metadata.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "chat/model_chat.h"
#include "tokenizer/json_node.h"

namespace octet::chat {
namespace {

using tokenizer::JsonNode;

constexpr size_t kLargestFileBytes = size_t{64} << 20;
constexpr std::array<const char*, 7> kSpecialTokens = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

/// A special token is given as its text or as an object with its text as "content".
std::string token_text(const JsonNode& node) {
  return node.is_object() ? node["content"].string() : node.string();
}

bool is_known(const ModelChat::Parts& parts, std::string_view name) {
  return std::any_of(parts.special_tokens.begin(), parts.special_tokens.end(),
                     [&](const auto& each) { return each.first == name; });
}

void read_special_tokens(const JsonNode& root, ModelChat::Parts& parts) {
  for (const char* name : kSpecialTokens) {
    const auto node = root.find(name);
    if (node && !is_known(parts, name)) parts.special_tokens.emplace_back(name, token_text(*node));
  }
  const auto additional = root.find("additional_special_tokens");
  if (!additional || !additional->is_array() || !parts.additional_special_tokens.empty()) return;
  for (const JsonNode& node : additional->elements())
    parts.additional_special_tokens.push_back(token_text(node));
}

/// The templates under "chat_template": a text, or a list of objects with name and template.
void read_templates(const JsonNode& root, ModelChat::Parts& parts) {
  const auto node = root.find("chat_template");
  if (!node) return;
  if (!node->is_array()) {
    parts.templates.emplace("default", node->string());
    return;
  }
  for (const JsonNode& each : node->elements())
    parts.templates.insert_or_assign(each["name"].string(), each["template"].string());
}

/// What the tokeniser knows of the start and end token, where no file said so.
void add_tokens_of(const tokenizer::Tokenizer* tokenizer, ModelChat::Parts& parts) {
  if (tokenizer == nullptr) return;
  const auto add = [&](const char* name, std::optional<tokenizer::TokenId> id) {
    if (id && !is_known(parts, name))
      parts.special_tokens.emplace_back(name, tokenizer->token_bytes(*id));
  };
  add("bos_token", tokenizer->bos());
  add("eos_token", tokenizer->eos());
}

ModelChat directory_chat(const checkpoint::Checkpoint& checkpoint,
                         const tokenizer::Tokenizer* tokenizer) {
  ModelChat::Parts parts;
  parts.source = checkpoint.path().string();
  const auto read = [&](const char* name, auto reader) {
    const auto path = checkpoint.sibling(name);
    if (!path) return;
    const nlohmann::json document =
        tokenizer::parse_json(read_file(*path, kLargestFileBytes), path->string());
    reader(JsonNode(document, path->string()));
  };
  if (const auto path = checkpoint.sibling("chat_template.jinja")) {
    parts.source = path->string();
    parts.templates.emplace("default", read_file(*path, kLargestFileBytes));
  }
  const bool has_config = checkpoint.sibling("tokenizer_config.json").has_value();
  read("tokenizer_config.json", [&](const JsonNode& root) {
    if (parts.templates.empty()) read_templates(root, parts);
    read_special_tokens(root, parts);
  });
  read("special_tokens_map.json", [&](const JsonNode& root) { read_special_tokens(root, parts); });
  if (!has_config) add_tokens_of(tokenizer, parts);
  if (parts.templates.empty()) {
    fail(
        "{}: no chat template here; looked for chat_template.jinja and \"chat_template\" in "
        "tokenizer_config.json",
        checkpoint.path().string());
  }
  return ModelChat(std::move(parts));
}

}  // namespace

ModelChat gguf_chat(const checkpoint::Gguf& gguf, const std::string& file,
                    const tokenizer::Tokenizer* tokenizer) {
  const std::string key = "tokenizer.chat_template";
  ModelChat::Parts parts;
  parts.source = file;
  if (const auto text = gguf.metadata.string(key)) parts.templates.emplace("default", *text);
  if (const auto names = gguf.metadata.strings("tokenizer.chat_templates")) {
    for (const std::string_view name : *names) {
      if (const auto text = gguf.metadata.string(key + "." + std::string(name)))
        parts.templates.emplace(name, *text);
    }
  }
  if (parts.templates.empty()) fail("{}: no chat template in it ({})", file, key);
  add_tokens_of(tokenizer, parts);
  return ModelChat(std::move(parts));
}

ModelChat read_model_chat(const checkpoint::Checkpoint& checkpoint,
                          const tokenizer::Tokenizer* tokenizer) {
  if (const checkpoint::Gguf* gguf = checkpoint.gguf()) {
    return gguf_chat(*gguf, checkpoint.path().string(), tokenizer);
  }
  return directory_chat(checkpoint, tokenizer);
}

}  // namespace octet::chat

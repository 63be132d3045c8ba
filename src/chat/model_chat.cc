// The chat templates that come with a model, what they are given, and how a turn ends.
#include "chat/model_chat.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "chat/characters.h"
#include "tokenizer/utf8.h"

namespace octet::chat {
namespace {

using Json = nlohmann::ordered_json;

/// JSON whose objects keep their order, which templates print.
Json parse_ordered(const std::string& text, const char* what) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) fail("{} of the conversation: not JSON", what);
  return json;
}

Json parse_messages(const std::string& text) {
  Json messages = parse_ordered(text, "messages");
  if (!messages.is_array()) fail("messages of the conversation: not a JSON array");
  for (const Json& message : messages) {
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string())
      fail("messages of the conversation: one is no object with a \"role\"");
  }
  return messages;
}

Json parse_tools(const std::string& text) {
  if (text.empty()) return nullptr;
  Json tools = parse_ordered(text, "tools");
  if (!tools.is_array()) fail("tools of the conversation: not a JSON array");
  return tools.empty() ? Json(nullptr) : tools;
}

}  // namespace

const std::string& ModelChat::chosen(const Conversation& conversation) const {
  const auto& templates = parts_.templates;
  const auto named = [&](const std::string& name) { return templates.find(name); };
  if (!conversation.template_name.empty()) {
    const auto found = named(conversation.template_name);
    if (found != templates.end()) return found->second;
    fail("{}: has no chat template named '{}'", parts_.source, conversation.template_name);
  }
  const bool tools = !parse_tools(conversation.tools).is_null();
  if (tools && templates.contains("tool_use")) return named("tool_use")->second;
  if (templates.contains("default")) return named("default")->second;
  std::string names;
  for (const auto& each : templates) names += (names.empty() ? "" : ", ") + each.first;
  fail("{}: none of its chat templates ({}) is the default", parts_.source, names);
}

std::string ModelChat::render(const Conversation& conversation, const std::tm& now) const {
  Json variables = Json::object();
  variables["messages"] = parse_messages(conversation.messages);
  variables["tools"] = parse_tools(conversation.tools);
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = conversation.add_generation_prompt;
  for (const auto& [name, text] : parts_.special_tokens) variables[name] = text;
  if (!parts_.additional_special_tokens.empty())
    variables["additional_special_tokens"] = parts_.additional_special_tokens;
  if (!conversation.variables.empty()) {
    const Json more = parse_ordered(conversation.variables, "variables");
    if (!more.is_object()) fail("variables of the conversation: not a JSON object");
    for (const auto& [name, value] : more.items()) variables[name] = value;
  }
  return Template(chosen(conversation), parts_.source + ": chat template").render(variables, now);
}

std::vector<tokenizer::TokenId> ModelChat::encode(const Conversation& conversation,
                                                  const std::tm& now,
                                                  const tokenizer::Tokenizer& tokenizer) const {
  return tokenizer.encode(render(conversation, now), {.add_special = false, .parse_special = true});
}

std::vector<tokenizer::TokenId> ModelChat::end_of_turn(
    const std::tm& now, const tokenizer::Tokenizer& tokenizer) const {
  std::vector<tokenizer::TokenId> ends;
  if (const auto eos = tokenizer.eos()) ends.push_back(*eos);
  constexpr std::string_view kAnswer = "octet's answer";
  const Message messages[] = {{"user", "a question"}, {"assistant", std::string(kAnswer)}};
  std::string text;
  try {
    text = render({.messages = messages_json(messages),
                   .tools = {},
                   .variables = {},
                   .add_generation_prompt = false,
                   .template_name = {}},
                  now);
  } catch (const Error&) {
    return ends;  // A template that takes no answer yet says what it has to when it is used.
  }
  const size_t at = text.rfind(kAnswer);
  if (at == std::string::npos) return ends;
  const std::string_view rest =
      strip(std::string_view(text).substr(at + kAnswer.size()), Side::left);
  const auto ids = tokenizer.encode(rest, {.add_special = false, .parse_special = true});
  if (!ids.empty() && tokenizer.is_special(ids.front()) && !std::ranges::count(ends, ids.front()))
    ends.push_back(ids.front());
  return ends;
}

std::string messages_json(std::span<const Message> messages) {
  Json json = Json::array();
  for (const Message& message : messages) {
    json.push_back({{"role", tokenizer::replace_broken_utf8(message.role)},
                    {"content", tokenizer::replace_broken_utf8(message.content)}});
  }
  return json.dump();
}

}  // namespace octet::chat

// The chat templates that come with a model, what they are given, and how a turn ends.
#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/chat_template.h"
#include "checkpoint/checkpoint.h"
#include "tokenizer/tokenizer.h"

namespace octet::chat {

/// What is put into words. The texts are JSON.
struct Conversation {
  std::string messages;   ///< an array of objects with "role", "content" and what templates take
  std::string tools;      ///< an array of function descriptions; empty: none
  std::string variables;  ///< an object of further variables (enable_thinking …); empty: none
  /// The text ends with what an answer of the model begins with.
  bool add_generation_prompt = true;
  /// Of a model with several templates; empty: tool_use when there are tools, else default.
  std::string template_name;
};

class ModelChat {
 public:
  /// Templates by name and the special tokens that are variables in them ("bos_token": "<s>");
  /// `source` is where they come from.
  struct Parts {
    std::string source;
    std::map<std::string, std::string> templates;
    std::vector<std::pair<std::string, std::string>> special_tokens;
    std::vector<std::string> additional_special_tokens;
  };
  explicit ModelChat(Parts parts) : parts_(std::move(parts)) {}

  /// The text of a conversation, as transformers' apply_chat_template makes it. Throws Error when
  /// the conversation is not of this form, there is no template for it, or the template fails.
  std::string render(const Conversation& conversation, const std::tm& now) const;

  /// Its tokens; the text holds the special ones already, so none are added.
  std::vector<tokenizer::TokenId> encode(const Conversation& conversation, const std::tm& now,
                                         const tokenizer::Tokenizer& tokenizer) const;

  /// The tokens at which an answer is over: the tokeniser's end token, and the special token that
  /// the template puts behind an assistant's message.
  std::vector<tokenizer::TokenId> end_of_turn(const std::tm& now,
                                              const tokenizer::Tokenizer& tokenizer) const;

 private:
  const std::string& chosen(const Conversation& conversation) const;

  Parts parts_;
};

struct Message {
  std::string role;
  std::string content;
};
/// The JSON of a conversation's messages. Bytes that are not UTF-8 become U+FFFD.
std::string messages_json(std::span<const Message> messages);

/// The model's templates: of a directory chat_template.jinja, else tokenizer_config.json; of a GGUF
/// file tokenizer.chat_template in its metadata. The tokeniser, if there is one, knows special
/// tokens that no file names. Throws Error when there are none, or a file is not as it should be.
ModelChat read_model_chat(const checkpoint::Checkpoint& checkpoint,
                          const tokenizer::Tokenizer* tokenizer);
ModelChat gguf_chat(const checkpoint::Gguf& gguf, const std::string& file,
                    const tokenizer::Tokenizer* tokenizer);

}  // namespace octet::chat

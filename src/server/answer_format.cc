// The JSON of choices: OpenAI's completions, chat completions and the chunks of both.
#include <map>

#include "server/answer.h"

namespace octet::server {
namespace {

using Json = nlohmann::ordered_json;

Json reason_of(const Delta& delta) {
  return delta.finish_reason == nullptr ? Json(nullptr) : Json(delta.finish_reason);
}

class CompletionFormat : public AnswerFormat {
 public:
  CompletionFormat(const tokenizer::Tokenizer& tokenizer, bool scored)
      : tokenizer_(tokenizer), scored_(scored) {}

  const char* id_prefix() const override { return "cmpl"; }
  const char* object(bool) const override { return "text_completion"; }

  Json choice(int64_t index, const Delta& delta) const override {
    return {{"index", index},
            {"text", delta.text},
            {"logprobs", scored_ ? logprobs(delta) : Json(nullptr)},
            {"finish_reason", reason_of(delta)}};
  }
  Json chunk_choice(int64_t index, const Delta& delta, bool) const override {
    return choice(index, delta);
  }

 private:
  Json logprobs(const Delta& delta) const {
    Json tokens = Json::array();
    Json values = Json::array();
    Json top = Json::array();
    Json offsets = Json::array();
    for (const ShownToken& token : delta.tokens) {
      tokens.push_back(spelling(tokenizer_, token.id));
      values.push_back(token.logprob ? Json(*token.logprob) : Json(nullptr));
      top.push_back(token.logprob ? alternatives(token) : Json(nullptr));
      offsets.push_back(token.text_offset);
    }
    return {{"tokens", tokens},
            {"token_logprobs", values},
            {"top_logprobs", top},
            {"text_offset", offsets}};
  }

  /// The most probable tokens by their spelling; of tokens that are spelt alike, the likelier. The
  /// one that was chosen is always among them.
  Json alternatives(const ShownToken& token) const {
    Json top = Json::object();
    for (const runtime::TokenLogprob& each : token.top) {
      const std::string name = spelling(tokenizer_, each.token);
      if (!top.contains(name)) top[name] = each.logprob;
    }
    const std::string own = spelling(tokenizer_, token.id);
    if (!top.contains(own)) top[own] = *token.logprob;
    return top;
  }

  const tokenizer::Tokenizer& tokenizer_;
  bool scored_;
};

class ChatFormat : public AnswerFormat {
 public:
  ChatFormat(const tokenizer::Tokenizer& tokenizer, bool scored)
      : tokenizer_(tokenizer), scored_(scored) {}

  const char* id_prefix() const override { return "chatcmpl"; }
  const char* object(bool chunk) const override {
    return chunk ? "chat.completion.chunk" : "chat.completion";
  }

  Json choice(int64_t index, const Delta& delta) const override {
    const Json message = {{"role", "assistant"}, {"content", delta.text}};
    return finish({{"index", index}, {"message", message}}, delta);
  }
  Json chunk_choice(int64_t index, const Delta& delta, bool first) const override {
    Json content = Json::object();
    if (first) content["role"] = "assistant";
    if (first || !delta.text.empty()) content["content"] = delta.text;
    return finish({{"index", index}, {"delta", content}}, delta);
  }

 private:
  Json finish(Json choice, const Delta& delta) const {
    choice["logprobs"] = scored_ ? Json({{"content", tokens(delta)}}) : Json(nullptr);
    choice["finish_reason"] = reason_of(delta);
    return choice;
  }

  Json tokens(const Delta& delta) const {
    Json list = Json::array();
    for (const ShownToken& token : delta.tokens) {
      Json entry = named(token.id, token.logprob.value_or(0));
      entry["top_logprobs"] = Json::array();
      for (const runtime::TokenLogprob& each : token.top)
        entry["top_logprobs"].push_back(named(each.token, each.logprob));
      list.push_back(std::move(entry));
    }
    return list;
  }

  Json named(int32_t id, float logprob) const {
    Json bytes = Json::array();
    for (const char byte : tokenizer_.token_bytes(id))
      bytes.push_back(static_cast<int>(static_cast<unsigned char>(byte)));
    return {{"token", spelling(tokenizer_, id)}, {"logprob", logprob}, {"bytes", bytes}};
  }

  const tokenizer::Tokenizer& tokenizer_;
  bool scored_;
};

}  // namespace

std::unique_ptr<AnswerFormat> completion_format(const tokenizer::Tokenizer& tokenizer,
                                                bool scored) {
  return std::make_unique<CompletionFormat>(tokenizer, scored);
}

std::unique_ptr<AnswerFormat> chat_format(const tokenizer::Tokenizer& tokenizer, bool scored) {
  return std::make_unique<ChatFormat>(tokenizer, scored);
}

}  // namespace octet::server

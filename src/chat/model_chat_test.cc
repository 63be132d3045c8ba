// A model's own templates: where they are found, what they are given, and how a turn ends.
#include "chat/model_chat.h"

#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "checkpoint/test_files.h"
#include "octet/error.h"
#include "tokenizer/test_tokenizers.h"

namespace octet::chat {
namespace {

using checkpoint::test::error_of;
using checkpoint::test::Scratch;

const std::tm kNow = {};

Conversation question(const std::string& tools = "") {
  const Message messages[] = {{"user", "Hi"}};
  Conversation conversation;
  conversation.messages = messages_json(messages);
  conversation.tools = tools;
  return conversation;
}

/// The chat of a directory with these files and one weight.
struct Directory {
  Scratch scratch;
  std::unique_ptr<checkpoint::Checkpoint> checkpoint;

  ModelChat chat(const tokenizer::Tokenizer* tokenizer = nullptr) {
    static const std::string weight(8, '\0');
    scratch.write("config.json", "{}");
    const std::vector<checkpoint::NamedTensor> tensors = {
        {"a", {tensor::DType::f16, {2, 2}, checkpoint::test::as_bytes(weight)}}};
    checkpoint::write_safetensors(scratch / "model.safetensors", tensors, {});
    checkpoint = checkpoint::Checkpoint::open(scratch.path());
    return read_model_chat(*checkpoint, tokenizer);
  }
};

TEST(ModelChat, IsReadFromTheTokenizersConfig) {
  Directory directory;
  directory.scratch.write("tokenizer_config.json", R"({
    "bos_token": {"content": "<s>"}, "eos_token": "</s>", "additional_special_tokens": ["<x>"],
    "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}{{ additional_special_tokens }}{{ tools is none }}{{ unk_token is defined }}"})");
  directory.scratch.write("special_tokens_map.json", R"({"pad_token": "<p>", "bos_token": "no"})");
  EXPECT_EQ(directory.chat().render(question(), kNow), "<s>Hi</s><p>['<x>']TrueFalse");
}

TEST(ModelChat, AFileOfItsOwnGoesFirst) {
  Directory directory;
  directory.scratch.write("tokenizer_config.json", R"({"chat_template": "old", "bos_token": "B"})");
  directory.scratch.write("chat_template.jinja", "new {{ bos_token }}\n");
  EXPECT_EQ(directory.chat().render(question(), kNow), "new B");
}

TEST(ModelChat, OfSeveralTemplatesTheOneForToolsIsTakenForTools) {
  Directory directory;
  directory.scratch.write("tokenizer_config.json", R"({"chat_template": [
    {"name": "default", "template": "plain"}, {"name": "tool_use", "template": "{{ tools | length }}"},
    {"name": "rag", "template": "rag"}]})");
  const ModelChat chat = directory.chat();
  EXPECT_EQ(chat.render(question(), kNow), "plain");
  EXPECT_EQ(chat.render(question("[]"), kNow), "plain");
  EXPECT_EQ(chat.render(question(R"([{"a": 1}])"), kNow), "1");
  Conversation named = question();
  named.template_name = "rag";
  EXPECT_EQ(chat.render(named, kNow), "rag");
  named.template_name = "other";
  EXPECT_NE(error_of([&] { chat.render(named, kNow); }).find("'other'"), std::string::npos);
}

TEST(ModelChat, WithoutATemplateSaysWhereItLooked) {
  Directory directory;
  directory.scratch.write("tokenizer_config.json", "{}");
  const std::string message = error_of([&] { directory.chat(); });
  EXPECT_NE(message.find("chat_template.jinja"), std::string::npos) << message;
  EXPECT_NE(message.find(directory.scratch.path().string()), std::string::npos) << message;
  directory.scratch.write("tokenizer_config.json", R"({"chat_template": [{"name": "x"}]})");
  EXPECT_NE(error_of([&] { directory.chat(); }).find("\"template\""), std::string::npos);
  directory.scratch.write("tokenizer_config.json",
                          R"({"chat_template": [{"name": "x", "template": ""}]})");
  const ModelChat chat = directory.chat();
  EXPECT_NE(error_of([&] { chat.render(question(), kNow); }).find("(x)"), std::string::npos);
}

TEST(ModelChat, IsReadFromGgufMetadata) {
  checkpoint::test::GgufBuilder builder;
  builder.string("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}");
  const std::string file = builder.build();
  const auto gguf = checkpoint::parse_gguf(checkpoint::test::as_bytes(file), "model.gguf");
  EXPECT_EQ(gguf_chat(gguf, "model.gguf", nullptr).render(question(), kNow), "Hi");
  const auto tokenizer = tokenizer::test::make(tokenizer::test::llama_json({}, {}),
                                               {.bos_text = "<s>", .eos_text = "</s>"});
  EXPECT_EQ(gguf_chat(gguf, "model.gguf", tokenizer.get()).render(question(), kNow), "<s>Hi");
}

TEST(ModelChat, MessagesAreCheckedAndVariablesHandedOn) {
  const ModelChat chat({.source = "model",
                        .templates = {{"default", "{{ messages | tojson }}{{ thinking }}"}},
                        .special_tokens = {},
                        .additional_special_tokens = {}});
  Conversation conversation = question();
  conversation.variables = R"({"thinking": false})";
  EXPECT_EQ(chat.render(conversation, kNow), R"([{"role": "user", "content": "Hi"}]False)");
  for (const char* wrong : {"{}", "[1]", "[{}]", "[{\"role\": 1}]", "[", ""}) {
    conversation.messages = wrong;
    EXPECT_NE(error_of([&] { chat.render(conversation, kNow); }).find("messages"),
              std::string::npos);
  }
  const Message broken[] = {{"user", "a\xff"}};
  conversation.messages = messages_json(broken);
  EXPECT_NE(chat.render(conversation, kNow).find("a\xEF\xBF\xBD"), std::string::npos);
}

TEST(ModelChat, PromptsAreTokenisedWithoutASecondStartToken) {
  const auto tokenizer = tokenizer::test::make(tokenizer::test::llama_json({}, {}),
                                               {.bos_text = "<s>", .eos_text = "</s>"});
  const ModelChat chat({.source = "model",
                        .templates = {{"default", "{{ bos_token }}{{ messages[0].content }}"}},
                        .special_tokens = {{"bos_token", "<s>"}},
                        .additional_special_tokens = {}});
  const auto ids = chat.encode(question(), kNow, *tokenizer);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 1), 1);
  EXPECT_EQ(ids.front(), 1);
}

TEST(ModelChat, ATurnEndsAtTheSpecialTokenBehindAnAnswer) {
  const auto tokenizer = tokenizer::test::make(tokenizer::test::byte_level_json({}));
  const auto ends = [&](const char* text) {
    const ModelChat chat({.source = "model",
                          .templates = {{"default", text}},
                          .special_tokens = {},
                          .additional_special_tokens = {}});
    return chat.end_of_turn(kNow, *tokenizer);
  };
  EXPECT_EQ(ends("{% for m in messages %}{{ m.content }}\n<|end|>\n{% endfor %}"),
            std::vector<int32_t>{256});
  EXPECT_EQ(ends("{% for m in messages %}{{ m.content }}!<|end|>{% endfor %}"),
            std::vector<int32_t>{});
  EXPECT_EQ(ends("{{ raise_exception('no') }}"), std::vector<int32_t>{});
}

}  // namespace
}  // namespace octet::chat

// The public API on a real small model: what it generates, scores and saves.
#include "octet/model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "support/shared_data.h"
#include "support/temporary_directory.h"

namespace octet {
namespace {

class Stories : public testing::Test {
 protected:
  void SetUp() override {
    path_ = test::shared_path("models/stories260K");
    OCTET_REQUIRE_PATH(path_);
  }
  std::filesystem::path path_;
};

TEST_F(Stories, ContinuesTextTokenByToken) {
  Model model = Model::load(path_, {.threads = 2});
  std::string streamed;
  int64_t seen = 0;
  const Generation generation = model.generate(
      "Once upon a time", {.max_tokens = 40, .ignore_eos = true}, [&](const Token& token) {
        ++seen;
        streamed += token.text;
        return true;
      });
  EXPECT_EQ(seen, 40);
  ASSERT_EQ(generation.tokens.size(), 40u);
  EXPECT_FALSE(generation.text.empty());
  EXPECT_EQ(generation.text.substr(0, streamed.size()), streamed);
  const auto prompt = model.encode("Once upon a time");
  EXPECT_EQ(model.generate(prompt, {.max_tokens = 40, .ignore_eos = true}).text, generation.text);
  EXPECT_NE(model.generate(prompt, {.max_tokens = 40, .seed = 1, .ignore_eos = true}).text,
            generation.text);
}

TEST_F(Stories, TheTextGoesOnWhereThePromptEnds) {
  Model model = Model::load(path_);
  for (const char* text : {"Once upon", "Once upon a time", "Lily liked"}) {
    std::vector<int32_t> tokens = model.encode(text);
    const Generation generation = model.generate(tokens, {.max_tokens = 10, .temperature = 0});
    for (const Token& token : generation.tokens) tokens.push_back(token.id);
    EXPECT_EQ(model.decode(tokens), text + generation.text);
  }
}

TEST_F(Stories, StopsWhenTheCallerSaysSo) {
  Model model = Model::load(path_);
  const Generation generation =
      model.generate("Once upon a time", {}, [](const Token&) { return false; });
  EXPECT_EQ(generation.tokens.size(), 1u);
  EXPECT_FALSE(generation.ended);
}

TEST_F(Stories, ScoresTheTokensItGeneratesAsItSaid) {
  Model model = Model::load(path_, {.method = "fp32"});
  std::vector<int32_t> tokens = model.encode("Once upon a time");
  const size_t prompt = tokens.size();
  const Generation generation = model.generate(tokens, {.max_tokens = 20, .temperature = 0});
  for (const Token& token : generation.tokens) tokens.push_back(token.id);
  const std::vector<double> scores = model.score(tokens);
  ASSERT_EQ(scores.size(), tokens.size() - 1);
  // The logits are the same bits however rows are batched; only the logarithm of the sum differs,
  // by one rounding to float of a value below 16.
  for (size_t i = 0; i < generation.tokens.size(); ++i)
    EXPECT_NEAR(scores[prompt - 1 + i], generation.tokens[i].logprob, 16.0 / (1 << 24));
}

TEST_F(Stories, SavedModelsGiveTheSameText) {
  const auto directory =
      std::filesystem::temp_directory_path() / ("octet_api_" + std::to_string(::getpid()));
  Model model = Model::load(path_);
  model.save(directory);
  Model saved = Model::load(directory);
  EXPECT_EQ(saved.weights_bytes(), model.weights_bytes());
  EXPECT_EQ(saved.generate("Once", {.max_tokens = 20}).text,
            model.generate("Once", {.max_tokens = 20}).text);
  std::filesystem::remove_all(directory);
}

TEST_F(Stories, ChatsByTheTemplateThatIsThere) {
  EXPECT_FALSE(Model::load(path_).has_chat_template());
  const Message messages[] = {{"system", "Be kind."}, {"user", "Hi"}};
  EXPECT_THROW(Model::load(path_).render_chat(messages), Error);

  const test::TemporaryDirectory copy;
  std::filesystem::copy(path_, copy.path());
  std::ofstream(copy.path() / "chat_template.jinja")
      << "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
         "{{ tools | length if tools }}{% if add_generation_prompt %}Once{% endif %}";
  Model model = Model::load(copy.path());
  ASSERT_TRUE(model.has_chat_template());
  const std::string text = "system: Be kind.\nuser: Hi\n";
  EXPECT_EQ(model.render_chat(messages), text + "Once");
  EXPECT_EQ(model.render_chat(messages, {.tools = "[{}]", .add_generation_prompt = false}),
            text + "1");
  EXPECT_EQ(model.render_chat(R"([{"role": "user", "content": "Hi"}])"), "user: Hi\nOnce");
  EXPECT_THROW(model.render_chat("{}"), Error);
  const GenerateOptions options = {.max_tokens = 8, .temperature = 0};
  EXPECT_EQ(model.chat(messages, options).text,
            model.generate(model.encode(text + "Once", false), options).text);
}

TEST_F(Stories, SaysWhatItIs) {
  const Model model = Model::load(path_);
  EXPECT_EQ(model.parameters(), 260032);
  EXPECT_EQ(model.vocabulary_size(), 512);
  EXPECT_EQ(model.max_positions(), 512);
  EXPECT_TRUE(model.has_tokenizer());
  EXPECT_EQ(model.decode(model.encode("a little girl", false)), "a little girl");
}

TEST_F(Stories, WrongOptionsAreErrors) {
  EXPECT_THROW(Model::load(path_, {.method = "int4"}), Error);
  EXPECT_THROW(Model::load(path_, {.outliers = "some"}), Error);
  EXPECT_THROW(Model::load(path_, {.activation_bits = 12}), Error);
  EXPECT_THROW(Model::load(path_, {.isa = "sse9"}), Error);
  EXPECT_THROW(Model::load(path_ / "nothing"), Error);
  Model model = Model::load(path_);
  EXPECT_THROW(model.generate("x", {.max_tokens = 0}), Error);
  EXPECT_THROW(model.generate("x", {.temperature = -1}), Error);
  EXPECT_THROW(model.generate(std::vector<int32_t>{512}), Error);
  EXPECT_THROW(model.generate(std::vector<int32_t>{}), Error);
  EXPECT_THROW(model.generate(std::vector<int32_t>(512, 1)), Error);
  EXPECT_THROW(model.score(std::vector<int32_t>{1}), Error);
}

}  // namespace
}  // namespace octet

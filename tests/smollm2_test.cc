// SmolLM2-135M-Instruct against its float32 reference: tokens, greedy continuations, perplexity.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "support/scoring.h"
#include "support/shared_data.h"
#include "support/tiny_model.h"

namespace octet {
namespace {

using linear::Method;

class SmolLM2 : public testing::Test {
 protected:
  void SetUp() override {
    OCTET_REQUIRE_PATH(test::smollm2_path());
    OCTET_REQUIRE_PATH(test::shared_path("models/smollm2-135m.reference.json"));
    reference_ =
        nlohmann::json::parse(read_file(test::shared_path("models/smollm2-135m.reference.json")));
  }

  model::Loaded load(Method method, int bits = 16) {
    return model::load(cpu_, test::smollm2_path(), test::with_method(method, bits));
  }

  /// Perplexity of the reference's windows of WikiText-2.
  double perplexity(model::Loaded& loaded, int bits) {
    const nlohmann::json& expected = reference_["perplexity"][0];
    const std::string text = read_file(test::shared_path("data/perplexity/wikitext2-test.raw.txt"));
    const auto window = expected["window"].get<size_t>();
    const auto windows = expected["windows"].get<size_t>();
    // A prefix of the text that surely holds the windows; a token is rarely over 12 bytes.
    const std::vector<int32_t> ids =
        loaded.tokenizer->encode(std::string_view(text).substr(0, windows * window * 12));
    double sum = 0;
    for (size_t w = 0; w < windows; ++w) {
      const auto tokens = std::span(ids).subspan(w * window, window);
      sum += test::mean_nll(test::all_logits(loaded.model, cpu_, tokens, bits), tokens);
    }
    return std::exp(sum / static_cast<double>(windows));
  }

  nlohmann::json reference_;
  device::Cpu cpu_{2};
};

TEST_F(SmolLM2, Fp32TokenisesAndContinuesLikeTheReferenceUpToTheFirstNarrowMargin) {
  model::Loaded loaded = load(Method::fp32);
  ASSERT_NE(loaded.tokenizer, nullptr) << loaded.tokenizer_problem;
  std::vector<nlohmann::json> runs(reference_["generate"].begin(), reference_["generate"].end());
  runs.push_back(reference_["chat"]);
  for (const nlohmann::json& run : runs) {
    const auto prompt = run["prompt_ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(loaded.tokenizer->encode(run["prompt"].get<std::string>()), prompt);
    const auto expected = run["new_ids"].get<std::vector<int32_t>>();
    const auto margins = run["margin"].get<std::vector<double>>();
    // The reference was made with the end token suppressed.
    const auto ids = test::greedy(loaded.model, cpu_, prompt, static_cast<int64_t>(expected.size()),
                                  /*ignore_eos=*/true);
    for (size_t i = 0; i < expected.size() && margins[i] >= 0.05; ++i) {
      ASSERT_EQ(ids[i], expected[i]) << "token " << i;
    }
  }
}

TEST_F(SmolLM2, ChatIsPutIntoWordsAsTheReferenceDoes) {
  const model::Loaded loaded = load(Method::llm_int8);
  ASSERT_NE(loaded.chat, nullptr) << loaded.chat_problem;
  const chat::Message messages[] = {{"user", "What is the capital of France?"}};
  chat::Conversation conversation;
  conversation.messages = chat::messages_json(messages);
  EXPECT_EQ(loaded.chat->render(conversation, {}), reference_["chat"]["rendered"]);
  EXPECT_EQ(loaded.chat->encode(conversation, {}, *loaded.tokenizer),
            reference_["chat"]["prompt_ids"].get<std::vector<int32_t>>());
  const auto end = loaded.tokenizer->find("<|im_end|>");
  EXPECT_EQ(loaded.chat->end_of_turn({}, *loaded.tokenizer), std::vector<int32_t>{end.value()});
}

TEST_F(SmolLM2, PerplexityOfFp32IsTheReferences) {
  model::Loaded loaded = load(Method::fp32);
  const double expected = reference_["perplexity"][0]["perplexity"].get<double>();
  EXPECT_NEAR(perplexity(loaded, 16), expected, 0.001 * expected);
}

TEST_F(SmolLM2, PerplexityOfInt8StaysCloseToFp32) {
  const double expected = reference_["perplexity"][0]["perplexity"].get<double>();
  model::Loaded loaded = load(Method::llm_int8);
  EXPECT_NEAR(perplexity(loaded, 16), expected, 0.005 * expected);
  EXPECT_NEAR(perplexity(loaded, 8), expected, 0.03 * expected);
}

TEST_F(SmolLM2, AQuantisedDirectoryGivesTheSameBitsAsConvertingWhileLoading) {
  model::Loaded loaded = load(Method::llm_int8);
  const test::TemporaryDirectory directory;
  model::save_quantized(loaded, test::smollm2_path(), directory.path() / "int8");
  model::Loaded again = model::load(cpu_, directory.path() / "int8", {});
  ASSERT_NE(again.tokenizer, nullptr) << again.tokenizer_problem;
  const std::vector<int32_t> prompt = again.tokenizer->encode("The capital of France is");
  EXPECT_EQ(prompt, loaded.tokenizer->encode("The capital of France is"));
  EXPECT_EQ(test::all_logits(again.model, cpu_, prompt),
            test::all_logits(loaded.model, cpu_, prompt));
}

}  // namespace
}  // namespace octet

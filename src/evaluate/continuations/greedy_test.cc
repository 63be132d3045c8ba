// Continuations that run beside each other are those of runs alone.
#include "evaluate/continuations/greedy.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/load/load.h"
#include "runtime/session.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace octet::evaluate {
namespace {

using linear::Method;
using Tokens = std::vector<int32_t>;

class Greedy : public testing::Test {
 protected:
  Greedy() {
    test::write_tiny_model({.outlier_gain = 32}, directory_.path() / "model");
    for (int32_t i = 0; i < 20; ++i) {  // more than run at the same time
      Tokens prompt;
      for (int32_t j = 0; j <= i; ++j) prompt.push_back((i * 7 + j * 13) % 97);
      prompts_.push_back(prompt);
    }
  }

  model::Loaded load(Method method) {
    model::LoadOptions options;
    options.precision.method = method;
    options.precision.activation_bits = method == Method::llm_int8 ? 16 : 8;
    return model::load(cpu_, directory_.path() / "model", options);
  }

  Tokens alone(model::Model& model, const Tokens& prompt, int64_t count) {
    runtime::Session session(model, cpu_, std::ssize(prompt) + count + 1);
    runtime::GenerateOptions options;
    options.max_tokens = count;
    options.sampling.temperature = 0;
    const runtime::Generated generated = runtime::generate(session, model, prompt, options, {});
    Tokens tokens = generated.tokens;
    if (generated.ended) tokens.push_back(kEndOfText);
    return tokens;
  }

  const test::TemporaryDirectory directory_;
  device::Cpu cpu_{2};
  std::vector<Tokens> prompts_;
};

TEST_F(Greedy, AreTheSameAloneAndTogether) {
  for (const Method method : {Method::fp32, Method::llm_int8, Method::absmax}) {
    model::Loaded loaded = load(method);
    const auto together = greedy_continuations(loaded.model, cpu_, prompts_, {.tokens = 24});
    ASSERT_EQ(together.size(), prompts_.size());
    for (size_t i = 0; i < prompts_.size(); ++i)
      EXPECT_EQ(together[i], alone(loaded.model, prompts_[i], 24)) << linear::name(method) << i;
  }
}

TEST_F(Greedy, EndWhereTheModelEndsThem) {
  model::Loaded loaded = load(Method::fp32);
  const auto endless = greedy_continuations(loaded.model, cpu_, prompts_, {.tokens = 24});
  // Whatever the first prompt's third token is becomes the end of all texts.
  const int32_t end = endless[0][2];
  loaded.model.set_end_tokens({end});
  double share = 0;
  const auto ended = greedy_continuations(
      loaded.model, cpu_, prompts_, {.tokens = 24, .progress = [&](double done) { share = done; }});
  for (size_t i = 0; i < prompts_.size(); ++i) {
    const auto place = std::ranges::find(endless[i], end);
    Tokens expected(endless[i].begin(), place);
    if (place != endless[i].end()) expected.push_back(kEndOfText);
    EXPECT_EQ(ended[i], expected) << i;
  }
  EXPECT_EQ(ended[0].back(), kEndOfText);
  EXPECT_DOUBLE_EQ(share, 1);
}

}  // namespace
}  // namespace octet::evaluate

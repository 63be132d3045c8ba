// Sessions: context limits, pages, truncation, and generation's stops.
#include "runtime/session.h"

#include <gtest/gtest.h>

#include "model/load/load.h"
#include "octet/error.h"
#include "support/tiny_model.h"

namespace octet::runtime {
namespace {

class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    test::write_tiny_model({}, directory_.path());
    loaded_ = std::make_unique<model::Loaded>(model::load(cpu_, directory_.path(), {}));
  }
  std::vector<float> last_logits(Session& session, SequenceId id,
                                 const std::vector<int32_t>& tokens) {
    const Feed feed{.sequence = id, .tokens = tokens};
    const auto rows = session.run({&feed, 1}, 16);
    EXPECT_EQ(rows.rows, 1);
    return {rows.row(0), rows.row(0) + rows.columns};
  }

  test::TemporaryDirectory directory_;
  device::Cpu cpu_{2};
  std::unique_ptr<model::Loaded> loaded_;
};

TEST_F(SessionTest, RefusesWhatDoesNotFitTheContextBeforeRunningAnything) {
  Session session(loaded_->model, cpu_, 10);
  const SequenceId id = session.open();
  const std::vector<int32_t> tokens(11, 1);
  const Feed feed{.sequence = id, .tokens = tokens};
  EXPECT_THROW(session.run({&feed, 1}, 16), Error);
  EXPECT_EQ(session.position(id), 0);
  EXPECT_THROW(session.open(), Error);
}

TEST_F(SessionTest, RefusesTokensOutsideTheVocabulary) {
  Session session(loaded_->model, cpu_, 10);
  const SequenceId id = session.open();
  for (int32_t token : {-1, 97}) {
    const Feed feed{.sequence = id, .tokens = {&token, 1}};
    EXPECT_THROW(session.run({&feed, 1}, 16), Error);
  }
}

TEST_F(SessionTest, TruncationForgetsAndReplaysToTheSameBits) {
  Session session(loaded_->model, cpu_, 200, 2);
  const SequenceId id = session.open();
  const std::vector<int32_t> first(100, 3);
  const std::vector<int32_t> second = {4, 5, 6};
  last_logits(session, id, first);
  const auto expected = last_logits(session, id, second);
  session.truncate(id, 30);
  last_logits(session, id, std::vector<int32_t>(70, 3));
  EXPECT_EQ(last_logits(session, id, second), expected);
  // Pages freed by one sequence serve another, whose old content must not show.
  session.close(id);
  const SequenceId other = session.open();
  const SequenceId third = session.open();
  last_logits(session, other, {9, 9, 9});
  last_logits(session, third, first);
  EXPECT_EQ(last_logits(session, third, second), expected);
}

TEST_F(SessionTest, GenerationStopsAtMaxTokensAtTheContextAndWhenToldTo) {
  Session session(loaded_->model, cpu_, 20);
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.ignore_eos = true;
  options.max_tokens = 5;
  const std::vector<int32_t> prompt = {1, 2, 3};
  EXPECT_EQ(generate(session, loaded_->model, prompt, options, {}).tokens.size(), 5u);
  options.max_tokens = 100;
  EXPECT_EQ(generate(session, loaded_->model, prompt, options, {}).tokens.size(), 17u);
  int seen = 0;
  const Generated stopped = generate(session, loaded_->model, prompt, options,
                                     [&](int32_t, float) { return ++seen < 2; });
  EXPECT_EQ(stopped.tokens.size(), 2u);
  EXPECT_THROW(generate(session, loaded_->model, {}, options, {}), Error);
  EXPECT_THROW(generate(session, loaded_->model, std::vector<int32_t>(20, 1), options, {}), Error);
  EXPECT_EQ(session.open(), 0);  // every run closed its sequence
}

TEST_F(SessionTest, TheSameSeedGivesTheSameTokensAndAnotherOthers) {
  Session session(loaded_->model, cpu_, 64);
  GenerateOptions options;
  options.max_tokens = 20;
  options.ignore_eos = true;
  options.sampling = {.temperature = 1.5f, .top_k = 0, .top_p = 1, .min_p = 0};
  const std::vector<int32_t> prompt = {1, 2, 3};
  const auto first = generate(session, loaded_->model, prompt, options, {}).tokens;
  EXPECT_EQ(generate(session, loaded_->model, prompt, options, {}).tokens, first);
  options.sampling.seed = 1;
  EXPECT_NE(generate(session, loaded_->model, prompt, options, {}).tokens, first);
}

}  // namespace
}  // namespace octet::runtime

// The scheduler on a GPU: every request's answer is that of the request alone, bit for bit.
#include "device/gpu_memory.h"
#include "runtime/scheduler.h"
#include "support/gpu.h"
#include "support/scheduler_requests.h"

namespace octet {
namespace {

using runtime::Reason;
using runtime::Request;
using test::Answer;
using test::random_tokens;

class GpuScheduler : public test::SchedulerTest {
 protected:
  void SetUp() override { OCTET_REQUIRE_GPU(); }

  /// Requests of both widths of activations, greedy and random, most of which begin alike.
  std::vector<Request> requests(size_t count) {
    std::mt19937 random(7);
    const std::vector<int32_t> beginning = random_tokens(random, 70);
    std::vector<Request> requests;
    for (size_t i = 0; i < count; ++i) {
      std::vector<int32_t> prompt = beginning;
      if (i % 3 == 2) prompt.resize(20);
      const auto rest = random_tokens(random, 1 + random() % 9);
      prompt.insert(prompt.end(), rest.begin(), rest.end());
      requests.push_back(request(std::move(prompt), 2 + static_cast<int64_t>(random() % 5)));
      Request& made = requests.back();
      made.sampling = {.temperature = i % 2 == 0 ? 0.f : 1.5f, .seed = random()};
      made.activation_bits = i % 4 < 2 ? 16 : 8;
      made.top_logprobs = 2;
    }
    return requests;
  }

  void expect_answers_of_alone() {
    constexpr int64_t kContext = 128;
    const std::vector<Request> asked = requests(8);
    const runtime::SchedulerOptions options = {
        .context = kContext, .sequences = 4, .pages = 8, .chunk = 24};
    std::vector<Answer> answers;
    {
      runtime::Scheduler scheduler(model(), cpu_, options);
      std::vector<runtime::Stream> streams;
      for (const Request& request : asked) streams.push_back(scheduler.submit(request));
      answers = test::read_all(streams);
      EXPECT_GT(scheduler.statistics().shared_prompt_tokens, 0);
    }
    for (size_t i = 0; i < asked.size(); ++i) {
      const runtime::Generated expected = alone(asked[i], kContext);
      EXPECT_EQ(answers[i].tokens, expected.tokens) << i;
      ASSERT_EQ(answers[i].events.size(), expected.logprobs.size()) << i;
      for (size_t t = 0; t < expected.logprobs.size(); ++t) {
        EXPECT_EQ(answers[i].events[t].logprob, expected.logprobs[t]) << i << ", token " << t;
      }
    }
  }
};

TEST_F(GpuScheduler, AnswersAreThoseOfRequestsAloneWhateverRunsBesideThem) {
  model().move_to_gpu(0);
  expect_answers_of_alone();
}

TEST_F(GpuScheduler, AnswersOfADividedModelAreThoseOfRequestsAlone) {
  ASSERT_GT(model().architecture().layers, 1);
  model().move_to_gpu(0, 1);
  expect_answers_of_alone();
}

TEST_F(GpuScheduler, ARequestThatFailsEndsAlone) {
  poison_a_token();
  model().move_to_gpu(0);
  const Request good = request({1, 2, 3}, 5);
  const Request bad = request({4, test::kPoisoned, 5}, 5);
  runtime::Scheduler scheduler(model(), cpu_, {.context = 64, .sequences = 3});
  std::vector<runtime::Stream> streams;
  for (const Request& request : {good, bad, good}) streams.push_back(scheduler.submit(request));
  const std::vector<Answer> answers = test::read_all(streams);
  EXPECT_EQ(answers[0].tokens.size(), 5u);
  EXPECT_EQ(answers[2].tokens, answers[0].tokens);
  EXPECT_EQ(answers[1].end.reason, Reason::error);
  EXPECT_NE(answers[1].end.error.find("layer 0"), std::string::npos) << answers[1].end.error;
}

}  // namespace
}  // namespace octet

// The scheduler's results: those of every request alone, whatever runs beside it.
#include "runtime/scheduler.h"

#include <thread>

#include "support/scheduler_requests.h"

namespace octet::runtime {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::random_tokens;
using test::read_all;
using test::SchedulerTest;

/// Requests of every kind, many of which begin alike.
Request random_request(std::mt19937& random, const std::vector<std::vector<int32_t>>& beginnings) {
  Request request;
  request.prompt = beginnings[random() % beginnings.size()];
  request.prompt.resize(random() % (request.prompt.size() + 1));
  const auto rest = random_tokens(random, 1 + random() % 30);
  request.prompt.insert(request.prompt.end(), rest.begin(), rest.end());
  request.max_tokens = 1 + static_cast<int64_t>(random() % 40);
  request.sampling = {.temperature = random() % 3 == 0 ? 0.f : 1.5f,
                      .top_k = random() % 2 == 0 ? 0 : 20,
                      .top_p = random() % 2 == 0 ? 1.f : .9f,
                      .min_p = 0,
                      .repeat_penalty = random() % 4 == 0 ? 1.3f : 1.f,
                      .presence_penalty = random() % 4 == 0 ? .7f : 0.f,
                      .frequency_penalty = random() % 4 == 0 ? .4f : 0.f,
                      .logit_bias = {{3, random() % 2 == 0 ? 2.f : 0.f}},
                      .seed = random()};
  request.ignore_eos = random() % 2 == 0;
  request.end_tokens = {5, 17};
  request.activation_bits = random() % 2 == 0 ? 16 : 8;
  if (random() % 3 == 0) request.top_logprobs = static_cast<int>(random() % 4);
  request.score_prompt = random() % 5 == 0;
  return request;
}

void expect_answer(const Answer& answer, const Request& request, const Generated& expected) {
  ASSERT_EQ(answer.tokens, expected.tokens);
  EXPECT_EQ(answer.end.reason, expected.ended ? Reason::stop : Reason::length);
  EXPECT_EQ(answer.end.tokens, std::ssize(answer.tokens));
  for (size_t i = 0; i < answer.events.size(); ++i) {
    EXPECT_EQ(answer.events[i].logprob, request.top_logprobs ? expected.logprobs[i] : 0);
    EXPECT_EQ(std::ssize(answer.events[i].top), request.top_logprobs.value_or(0));
  }
}

void expect_beginning(const Answer& answer, const Generated& expected) {
  ASSERT_LE(answer.tokens.size(), expected.tokens.size());
  EXPECT_TRUE(std::equal(answer.tokens.begin(), answer.tokens.end(), expected.tokens.begin()));
}

TEST_F(SchedulerTest, EveryAnswerIsThatOfTheRequestAloneWhateverRunsBesideIt) {
  constexpr int64_t kContext = 256;
  std::mt19937 random(11);
  std::vector<std::vector<int32_t>> beginnings;
  for (const size_t length : {10, 64, 150, 190}) {
    beginnings.push_back(random_tokens(random, length));
  }
  beginnings.push_back(beginnings[3]);
  beginnings.back().resize(130);
  for (const auto& options :
       {SchedulerOptions{.context = kContext, .sequences = 6, .pages = 9},
        SchedulerOptions{.context = kContext, .sequences = 3, .chunk = 7},
        SchedulerOptions{.context = kContext, .sequences = 16, .pages = 40, .chunk = 100}}) {
    constexpr int kThreads = 4;
    constexpr int kEach = 15;
    std::vector<Request> requests;
    std::vector<unsigned> fates;
    std::vector<Answer> answers(kThreads * kEach);
    for (int i = 0; i < kThreads * kEach; ++i) {
      requests.push_back(random_request(random, beginnings));
      fates.push_back(random() % 5);
    }
    {
      Scheduler scheduler(model(), cpu_, options);
      std::vector<std::thread> clients;
      for (int t = 0; t < kThreads; ++t) {
        clients.emplace_back([&, t] {
          std::vector<Stream> streams;
          for (int i = t * kEach; i < (t + 1) * kEach; ++i) {
            streams.push_back(scheduler.submit(requests[static_cast<size_t>(i)]));
            // Some are cancelled at once, some after a token, some while others are submitted.
            if (fates[static_cast<size_t>(i)] == 0) streams.back().cancel();
            if (i % 4 == 3) std::this_thread::sleep_for(1ms);
          }
          for (size_t i = 0; i < streams.size(); ++i) {
            const size_t index = static_cast<size_t>(t) * kEach + i;
            if (fates[index] == 1) streams[i].cancel();
            answers[index] = read_all(streams[i]);
          }
        });
      }
      for (std::thread& client : clients) client.join();
      const Statistics statistics = scheduler.statistics();
      EXPECT_EQ(statistics.running + statistics.queued, 0);
      EXPECT_EQ(statistics.pages_used, 0);
      EXPECT_GT(statistics.shared_prompt_tokens, 0);
      int64_t finished = 0;
      for (const int64_t count : statistics.finished) finished += count;
      EXPECT_EQ(finished, kThreads * kEach);
      EXPECT_EQ(statistics.finished[static_cast<size_t>(Reason::error)], 0);
    }
    for (size_t i = 0; i < answers.size(); ++i) {
      SCOPED_TRACE(i);
      const Generated expected = alone(requests[i], kContext);
      if (answers[i].end.reason == Reason::cancelled) {
        EXPECT_LE(fates[i], 1u);
        expect_beginning(answers[i], expected);
      } else {
        expect_answer(answers[i], requests[i], expected);
        if (HasFatalFailure()) return;
        EXPECT_EQ(std::ssize(answers[i].prompt.tokens),
                  requests[i].score_prompt ? std::ssize(requests[i].prompt) - 1 : 0);
      }
    }
  }
}

TEST_F(SchedulerTest, PromptsAreScoredAsTheirLogitsSay) {
  std::mt19937 random(2);
  const std::vector<int32_t> prompt = random_tokens(random, 100);
  const test::Logits logits = test::all_logits(model(), cpu_, prompt, 8);
  Scheduler scheduler(model(), cpu_, {.context = 100, .chunk = 33});
  Request asked = request(prompt, 0);
  asked.activation_bits = 8;
  asked.score_prompt = true;
  asked.top_logprobs = 3;
  // The second time, with its pages remembered.
  for (int time = 0; time < 2; ++time) {
    Stream stream = scheduler.submit(asked);
    const Answer answer = read_all(stream);
    EXPECT_EQ(answer.end.reason, Reason::length);
    EXPECT_TRUE(answer.tokens.empty());
    ASSERT_EQ(answer.prompt.tokens.size(), prompt.size() - 1);
    for (size_t i = 0; i + 1 < prompt.size(); ++i) {
      const TokenEvent& score = answer.prompt.tokens[i];
      EXPECT_EQ(score.token, prompt[i + 1]);
      const auto logprob = [&](int32_t token) {
        return static_cast<float>(logits[i][static_cast<size_t>(token)] - log_sum_exp(logits[i]));
      };
      EXPECT_EQ(score.logprob, logprob(prompt[i + 1]));
      ASSERT_EQ(score.top.size(), 3u);
      const auto best = std::ranges::max_element(logits[i]) - logits[i].begin();
      EXPECT_EQ(score.top[0].token, best);
      EXPECT_EQ(score.top[0].logprob, logprob(static_cast<int32_t>(best)));
      EXPECT_GE(score.top[0].logprob, score.top[1].logprob);
      EXPECT_GE(score.top[1].logprob, score.top[2].logprob);
    }
  }
}

TEST_F(SchedulerTest, APrefixIsReadOnceForEachActivationWidth) {
  std::mt19937 random(4);
  const std::vector<int32_t> prompt = random_tokens(random, 200);
  Scheduler scheduler(model(), cpu_, {.context = 256, .sequences = 4});
  Request asked = request(prompt, 5);
  // Four answers at once to one prompt: the others wait for the pages that the first one reads.
  std::vector<Stream> streams;
  asked.sampling.temperature = 1;
  for (uint64_t i = 0; i < 4; ++i) {
    asked.sequence = i;
    streams.push_back(scheduler.submit(asked));
  }
  const std::vector<Answer> answers = read_all(streams);
  EXPECT_EQ(answers[0].tokens, alone(asked, 256).tokens);  // generate's sequence is 0
  EXPECT_NE(answers[1].tokens, answers[0].tokens);
  const Statistics statistics = scheduler.statistics();
  EXPECT_EQ(statistics.shared_prompt_tokens, 3 * 192);
  EXPECT_EQ(statistics.prompt_tokens, 192 + 4 * 8);
  EXPECT_EQ(statistics.generated_tokens, 4 * 5);
  EXPECT_EQ(statistics.queue_seconds.count(), 4);
  EXPECT_EQ(statistics.first_token_seconds.count(), 4);
  EXPECT_EQ(statistics.token_gap_seconds.count(), 4 * 4);
  EXPECT_EQ(statistics.longest_gap_seconds.count(), 4);
  EXPECT_EQ(statistics.step_seconds.count(), statistics.steps);
  EXPECT_EQ(statistics.pages_used, 0);
  // The three pages that all read. What begins behind them ended before its page was full.
  EXPECT_EQ(statistics.pages_remembered, 3);

  asked.activation_bits = 8;
  asked.sequence = 0;
  for (const int64_t shared : {0, 192}) {
    Stream stream = scheduler.submit(asked);
    const Answer answer = read_all(stream);
    EXPECT_EQ(answer.end.shared_tokens, shared);
    EXPECT_EQ(answer.tokens, alone(asked, 256).tokens);
  }
}

TEST_F(SchedulerTest, AnAnswerIsSharedByTheConversationThatGoesOn) {
  Scheduler scheduler(model(), cpu_, {.context = 256});
  Request asked = request({1, 2, 3}, 100);
  Stream first = scheduler.submit(asked);
  const Answer answer = read_all(first);
  asked.prompt.insert(asked.prompt.end(), answer.tokens.begin(), answer.tokens.end());
  asked.prompt.push_back(4);
  asked.max_tokens = 9;
  Stream second = scheduler.submit(asked);
  const Answer next = read_all(second);
  EXPECT_EQ(next.end.shared_tokens, 64);
  EXPECT_EQ(next.tokens, alone(asked, 256).tokens);
}

TEST_F(SchedulerTest, DecodingGoesOnInEveryStepWhileALongPromptIsRead) {
  std::mt19937 random(5);
  Scheduler scheduler(model(), cpu_, {.context = 256, .sequences = 3, .chunk = 16});
  Stream decoding = scheduler.submit(request({1, 2}, 200));
  decoding.next();
  Stream other = scheduler.submit(request(random_tokens(random, 200), 1));
  const Answer prompt = read_all(other);
  int64_t between = 0;
  while (decoding.next(Clock::now())) ++between;
  // One token in each of the steps of 16 rows that 200 take, but the last.
  EXPECT_GE(between, 200 / 16);
  EXPECT_EQ(prompt.end.reason, Reason::length);
}

TEST_F(SchedulerTest, MethodsThatDependOnTheCallGiveWhatTheRequestAloneGives) {
  for (const auto& options :
       {test::with_method(linear::Method::absmax, 8),
        test::with_method(linear::Method::llm_int8, 8, linear::OutlierMode::batch)}) {
    load(options);
    std::mt19937 random(6);
    Scheduler scheduler(model(), cpu_, {.context = 256, .sequences = 4, .chunk = 16});
    const std::vector<int32_t> beginning = random_tokens(random, 130);
    std::vector<Request> requests;
    std::vector<Stream> streams;
    for (int i = 0; i < 6; ++i) {
      Request asked = request(beginning, 20);
      asked.activation_bits = 8;
      asked.prompt.resize(40 + 15 * static_cast<size_t>(i));
      requests.push_back(asked);
      streams.push_back(scheduler.submit(std::move(asked)));
    }
    const std::vector<Answer> answers = read_all(streams);
    for (size_t i = 0; i < answers.size(); ++i) {
      EXPECT_EQ(answers[i].end.shared_tokens, 0);
      EXPECT_EQ(answers[i].tokens, alone(requests[i], 256).tokens);
    }
  }
}

}  // namespace
}  // namespace octet::runtime

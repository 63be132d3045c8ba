// Every request ends: refused, waiting its turn, stopped, cancelled, too late, failed or shut down.
#include <functional>
#include <thread>

#include "runtime/scheduler.h"
#include "support/family_variant.h"
#include "support/scheduler_requests.h"

namespace octet::runtime {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::kPoisoned;
using test::random_tokens;
using test::read_all;
using test::SchedulerTest;

TEST_F(SchedulerTest, RequestsThatWaitForMemoryRunInTheirOrderAndAllEnd) {
  // Two pages: a request of 100 positions runs alone, and short ones behind it do not overtake it.
  Scheduler scheduler(model(), cpu_, {.context = 128, .sequences = 8, .pages = 2});
  std::vector<Stream> streams;
  for (int i = 0; i < 10; ++i) {
    streams.push_back(scheduler.submit(request({i, 2, 3}, i % 2 == 0 ? 100 : 4)));
  }
  double waited = 0;
  for (Stream& stream : streams) {
    const Answer answer = read_all(stream);
    EXPECT_EQ(answer.end.reason, Reason::length);
    EXPECT_GE(answer.end.queue_s, waited - .01);
    waited = answer.end.queue_s;
  }
}

TEST_F(SchedulerTest, RefusesWhatCannotFitAndWhatMakesNoSenseAndSaysWhichItIs) {
  Scheduler scheduler(model(), cpu_, {.context = 200, .sequences = 1, .pages = 2});
  const auto kind = [&](const std::function<void(Request&)>& spoil) {
    Request asked = request({1, 2, 3}, 5);
    spoil(asked);
    try {
      Stream stream = scheduler.submit(asked);
    } catch (const Refused& refused) {
      return refused.kind();
    }
    return ErrorKind::failed;
  };
  constexpr auto kInvalid = ErrorKind::invalid;
  constexpr auto kTooLong = ErrorKind::does_not_fit;
  EXPECT_EQ(kind([](Request& r) { r.prompt = {}; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.prompt = {-1}; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.prompt = {97}; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.max_tokens = -1; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.activation_bits = 4; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.top_logprobs = kMostTopLogprobs + 1; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.sampling.temperature = NAN; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.sampling.top_p = 2; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.sampling.repeat_penalty = 0; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.sampling.presence_penalty = NAN; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.sampling.frequency_penalty = 2e6f; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.sampling.logit_bias = {{-1, 0.f}}; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.sampling.logit_bias = {{1, INFINITY}}; }), kInvalid);
  EXPECT_EQ(kind([](Request& r) { r.prompt.resize(200); }), kTooLong);
  EXPECT_EQ(kind([](Request& r) { r.prompt.resize(128); }), kTooLong);  // 132 positions, 128 here
  EXPECT_EQ(scheduler.statistics().refused, 15);
  EXPECT_EQ(scheduler.longest_prompt(5), 124);
  Stream fits = scheduler.submit(request(std::vector<int32_t>(124, 1), 5));
  EXPECT_EQ(read_all(fits).tokens.size(), 5u);
}

TEST_F(SchedulerTest, MaxTokensEndsWhereTheContextDoes) {
  Scheduler scheduler(model(), cpu_, {.context = 20});
  Stream stream = scheduler.submit(request({1, 2, 3}, 100));
  const Answer answer = read_all(stream);
  EXPECT_EQ(answer.tokens.size(), 17u);
  EXPECT_EQ(answer.end.reason, Reason::length);
}

TEST_F(SchedulerTest, StopTokensEndATextThatIgnoresEndTokens) {
  Request asked = request({1, 2, 3}, 50);
  const std::vector<int32_t> tokens = alone(asked, 256).tokens;
  const int32_t stop = tokens[10];
  const auto first = std::ranges::find(tokens, stop) - tokens.begin();
  asked.stop_tokens = {stop, 12345};
  Scheduler scheduler(model(), cpu_, {.context = 256});
  Stream stream = scheduler.submit(asked);
  const Answer answer = read_all(stream);
  EXPECT_EQ(answer.end.reason, Reason::stop);
  ASSERT_TRUE(answer.end.stop_token.has_value());
  EXPECT_EQ(answer.end.stop_token->token, stop);
  EXPECT_EQ(std::ssize(answer.tokens), first);
}

TEST_F(SchedulerTest, AFullQueueRefusesAndCancelledOrLateRequestsLeaveIt) {
  Scheduler scheduler(model(), cpu_, {.context = 20000, .sequences = 1, .queue_limit = 2});
  Stream running = scheduler.submit(request({1}, 15000));
  running.next();
  Stream waiting = scheduler.submit(request({2}, 250));
  Request late = request({3}, 2);
  late.deadline = Clock::now() + 1ms;
  Stream timed = scheduler.submit(late);
  try {
    Stream stream = scheduler.submit(request({4}, 2));
    // Not full any more when the late one has left already.
    EXPECT_GE(Clock::now(), *late.deadline);
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.kind(), ErrorKind::queue_full);
  }
  const Answer told = read_all(timed);
  EXPECT_EQ(told.end.reason, Reason::error);
  EXPECT_EQ(told.end.kind, ErrorKind::timeout);
  waiting.cancel();
  EXPECT_EQ(read_all(waiting).end.reason, Reason::cancelled);
  running.cancel();
  running.cancel();
  EXPECT_EQ(read_all(running).end.reason, Reason::cancelled);
  { Stream forgotten = scheduler.submit(request({5}, 200)); }
  Stream last = scheduler.submit(request({6}, 3));
  EXPECT_EQ(read_all(last).end.reason, Reason::length);
}

TEST_F(SchedulerTest, AStepThatFailsEndsTheRequestThatMadeItFailAndNoOther) {
  poison_a_token();
  Scheduler scheduler(model(), cpu_, {.context = 256, .chunk = 64});
  std::vector<Request> requests;
  std::vector<Stream> streams;
  std::mt19937 random(9);
  for (int i = 0; i < 8; ++i) {
    Request asked = request(random_tokens(random, 70), 30);
    asked.end_tokens = {kPoisoned};  // none, for ignore_eos
    if (i == 3) asked.prompt[68] = kPoisoned;
    requests.push_back(asked);
    streams.push_back(scheduler.submit(std::move(asked)));
  }
  const std::vector<Answer> answers = read_all(streams);
  for (size_t i = 0; i < answers.size(); ++i) {
    if (i == 3) {
      EXPECT_EQ(answers[i].end.reason, Reason::error);
      EXPECT_EQ(answers[i].end.kind, ErrorKind::failed);
      EXPECT_NE(answers[i].end.error.find("cache"), std::string::npos) << answers[i].end.error;
    } else {
      EXPECT_EQ(answers[i].tokens, alone(requests[i], 256).tokens);
    }
  }
}

TEST_F(SchedulerTest, ShutdownFinishesWhatItCanAndTellsTheRest) {
  for (const bool in_time : {true, false}) {
    Scheduler scheduler(model(), cpu_, {.context = 20000, .sequences = 2});
    const int64_t most = in_time ? 250 : 15000;
    std::vector<Stream> streams;
    for (int i = 0; i < 6; ++i) streams.push_back(scheduler.submit(request({i, 1}, most)));
    streams[0].next();
    std::thread other([&] { scheduler.shutdown(Clock::now() + (in_time ? 10min : 0ms)); });
    scheduler.shutdown(Clock::now() + (in_time ? 10min : 0ms));
    other.join();
    EXPECT_THROW(scheduler.submit(request({1}, 1)), Refused);
    for (Stream& stream : streams) {
      const Answer answer = read_all(stream);
      EXPECT_EQ(answer.end.reason, in_time ? Reason::length : Reason::error);
      if (!in_time) {
        EXPECT_EQ(answer.end.kind, ErrorKind::shutting_down);
      }
    }
  }
}

TEST_F(SchedulerTest, StreamsOutliveTheScheduler) {
  auto scheduler = std::make_unique<Scheduler>(model(), cpu_,
                                               SchedulerOptions{.context = 20000, .sequences = 1});
  Stream stream = scheduler->submit(request({1}, 15000));
  stream.next();
  scheduler.reset();
  EXPECT_EQ(read_all(stream).end.kind, ErrorKind::shutting_down);
}

TEST(Scheduler, RefusesEncoderDecodersAndContextsThatTheModelLacks) {
  device::Cpu cpu{1};
  const test::TemporaryDirectory t5;
  test::write_family_variant("t5_gated_silu", t5.path());
  model::Loaded loaded = model::load(cpu, t5.path(), {});
  EXPECT_THROW(Scheduler(loaded.model, cpu, {.context = 64}), Error);
  const test::TemporaryDirectory gpt2;
  test::write_tiny_model({.family = "gpt2"}, gpt2.path());
  loaded = model::load(cpu, gpt2.path(), {});
  EXPECT_THROW(Scheduler(loaded.model, cpu, {.context = 257}), Error);
  Scheduler fits(loaded.model, cpu, {.context = 256});
}

}  // namespace
}  // namespace octet::runtime

// What stands between two tokens of a sequence that decodes, counted in steps and rows.
#include "runtime/batch.h"

#include "support/scheduler_requests.h"

namespace octet::runtime {
namespace {

using test::random_tokens;

class BatchTest : public test::SchedulerTest {
 protected:
  /// Admits a request; the stream tells what becomes of it.
  std::shared_ptr<Stream::State> admit(Batch& batch, Request asked, int64_t context) {
    auto request =
        std::make_unique<ActiveRequest>(std::move(asked), model().architecture(), context);
    std::shared_ptr<Stream::State> stream = request->stream;
    EXPECT_TRUE(batch.admit(request));
    return stream;
  }
};

int64_t new_tokens(Stream::State& stream) {
  int64_t count = 0;
  while (const auto event = stream.pop(Clock::time_point{}))
    count += std::holds_alternative<TokenEvent>(*event) ? 1 : 0;
  return count;
}

TEST_F(BatchTest, BetweenTwoTokensOfAStreamIsOneStepAndAtMostOneChunkOfPrompts) {
  constexpr int64_t kContext = 2048;
  constexpr int64_t kChunk = 32;
  std::mt19937 random(3);
  Batch batch(model(), cpu_, {.context = kContext, .sequences = 16, .chunk = kChunk});
  std::vector<std::shared_ptr<Stream::State>> streams;
  for (int32_t i = 0; i < 8; ++i)
    streams.push_back(admit(batch, request({i, i + 1}, 1000), kContext));
  batch.step();
  for (auto& stream : streams) ASSERT_EQ(new_tokens(*stream), 1);

  std::vector<std::shared_ptr<Stream::State>> prompts;
  int64_t left = 0;
  for (const size_t length : {1500, 1600, 40, 1700}) {
    left += static_cast<int64_t>(length);
    Request asked = request(random_tokens(random, length), 1);
    asked.score_prompt = length == 1600;
    prompts.push_back(admit(batch, asked, kContext));
  }
  while (left > 0) {
    const int64_t before = batch.statistics().prompt_tokens;
    batch.step();
    const int64_t rows = batch.statistics().prompt_tokens - before;
    ASSERT_EQ(rows, std::min(left, kChunk));
    left -= rows;
    for (auto& stream : streams) ASSERT_EQ(new_tokens(*stream), 1);
  }
  batch.take_ended();
  for (auto& prompt : prompts) EXPECT_EQ(new_tokens(*prompt), 1);
}

TEST_F(BatchTest, SequencesOfBothActivationWidthsWaitForAtMostOneChunkToo) {
  constexpr int64_t kContext = 1024;
  constexpr int64_t kChunk = 32;
  std::mt19937 random(4);
  Batch batch(model(), cpu_, {.context = kContext, .sequences = 16, .chunk = kChunk});
  std::vector<std::shared_ptr<Stream::State>> streams;
  int64_t left = 0;
  for (const int bits : {8, 16}) {
    Request stream = request({1, 2}, 500);
    stream.activation_bits = bits;
    streams.push_back(admit(batch, stream, kContext));
    batch.step();
    ASSERT_EQ(new_tokens(*streams.back()), 1);
    Request prompt = request(random_tokens(random, 700), 1);
    prompt.activation_bits = bits;
    // Of the same width as the stream: it begins with the next step.
    admit(batch, prompt, kContext);
    left += 700;
  }
  std::vector<int64_t> rows_since(streams.size(), 0);
  while (left > 0) {
    const int64_t before = batch.statistics().prompt_tokens;
    batch.step();
    const int64_t rows = batch.statistics().prompt_tokens - before;
    left -= rows;
    for (size_t i = 0; i < streams.size(); ++i) {
      rows_since[i] += rows;
      ASSERT_LE(rows_since[i], kChunk);
      if (new_tokens(*streams[i]) > 0) rows_since[i] = 0;
    }
  }
}

}  // namespace
}  // namespace octet::runtime

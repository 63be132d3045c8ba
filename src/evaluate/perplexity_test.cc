// Perplexity over windows: from sources whose logits are known, and from saved files.
#include "evaluate/perplexity.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "base/file.h"
#include "octet/error.h"

namespace octet::evaluate {
namespace {

/// Logits that depend on (token, position): what a model would give, without one.
class Made final : public LogitSource {
 public:
  explicit Made(int64_t vocabulary, float sharpness, bool whole = false)
      : vocabulary_(vocabulary), sharpness_(sharpness), whole_(whole) {}

  int64_t vocabulary_size() const override { return vocabulary_; }
  bool whole_windows() const override { return whole_; }
  void begin(std::span<const int32_t> tokens) override {
    tokens_ = tokens;
    position_ = 0;
  }
  tensor::MatrixView<const float> next(int64_t rows) override {
    largest_part = std::max(largest_part, rows);
    rows_.clear();
    for (int64_t r = 0; r < rows; ++r, ++position_)
      for (int64_t v = 0; v < vocabulary_; ++v)
        rows_.push_back(logit(tokens_[position_], position_, v));
    return {rows_.data(), rows, vocabulary_};
  }
  float logit(int32_t token, int64_t position, int64_t v) const {
    return sharpness_ * std::sin(static_cast<float>(token * 7 + position * 3 + v * v));
  }

  int64_t largest_part = 0;

 private:
  int64_t vocabulary_;
  float sharpness_;
  bool whole_;
  std::span<const int32_t> tokens_;
  int64_t position_ = 0;
  std::vector<float> rows_;
};

std::vector<Window> some_windows(int64_t count, int64_t length, int32_t vocabulary) {
  std::vector<Window> windows(count);
  int32_t state = 1;
  for (Window& window : windows) {
    for (int64_t i = 0; i < length; ++i) {
      state = (state * 1103 + 12345) % 65536;
      window.push_back(state % vocabulary);
    }
  }
  return windows;
}

double nll_by_hand(const Made& source, const std::vector<Window>& windows) {
  double sum = 0;
  for (const Window& window : windows) {
    for (size_t i = 0; i + 1 < window.size(); ++i) {
      double total = 0;
      for (int64_t v = 0; v < source.vocabulary_size(); ++v)
        total += std::exp(static_cast<double>(source.logit(window[i], i, v)));
      sum += std::log(total) - source.logit(window[i], i, window[i + 1]);
    }
  }
  return sum;
}

std::string error_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Windows, AreConsecutiveAndLeaveTheRestOut) {
  const Window tokens = {0, 1, 2, 3, 4, 5, 6};
  EXPECT_EQ(cut_windows(tokens, 3, {}), (std::vector<Window>{{0, 1, 2}, {3, 4, 5}}));
  EXPECT_EQ(cut_windows(tokens, 3, 1), (std::vector<Window>{{0, 1, 2}}));
  EXPECT_TRUE(cut_windows(tokens, 8, {}).empty());
}

TEST(Windows, DocumentsAreCutWithTheBeginTokenCounted) {
  const Window tokens = {5, 6, 7};
  EXPECT_EQ(document_window(tokens, 1, 3), (Window{1, 5, 6}));
  EXPECT_EQ(document_window(tokens, {}, 3), (Window{5, 6, 7}));
  std::vector<Window> windows = {{}, {1}, {1, 2}};
  drop_short(windows);
  EXPECT_EQ(windows, (std::vector<Window>{{1, 2}}));
}

TEST(Perplexity, IsTheMeanOverEveryTokenButTheFirstOfEachWindow) {
  device::ThreadTeam team(2);
  Made source(37, 3);
  const auto windows = some_windows(3, 300, 37);
  const Perplexity result = perplexity(team, source, windows, {.keep_logprobs = true});
  EXPECT_EQ(result.tokens, 3 * 299);
  EXPECT_EQ(result.windows, 3);
  // Doubles throughout on the same float logits: sums of 37 and of 897 terms of at most 10.
  EXPECT_NEAR(result.nll.value, nll_by_hand(source, windows) / 897, 1e-12);
  EXPECT_DOUBLE_EQ(result.value(), std::exp(result.nll.value));
  ASSERT_EQ(result.logprobs.size(), 897u);
  EXPECT_LT(source.largest_part, 300);
  EXPECT_FALSE(result.divergence.has_value());
}

TEST(Perplexity, AsksForWholeWindowsWhereTheMethodLooksAtTheCall) {
  device::ThreadTeam team(1);
  Made source(11, 3, true);
  Made reference(11, 3);
  const auto windows = some_windows(2, 700, 11);
  perplexity(team, source, windows, {.reference = &reference});
  EXPECT_EQ(source.largest_part, 700);
  EXPECT_EQ(reference.largest_part, 700);
}

TEST(Perplexity, GivesTheLogitsAskedFor) {
  device::ThreadTeam team(1);
  Made source(11, 3);
  const auto windows = some_windows(2, 300, 11);
  const std::vector<int64_t> positions = {0, 256, 299};
  const Perplexity result = perplexity(team, source, windows, {.logits_at = positions});
  ASSERT_EQ(result.logits.size(), 3u);
  for (size_t i = 0; i < positions.size(); ++i)
    for (int64_t v = 0; v < 11; ++v)
      EXPECT_EQ(result.logits[i][v], source.logit(windows[0][positions[i]], positions[i], v));
}

TEST(Perplexity, AgainstItselfDivergesByNothing) {
  device::ThreadTeam team(2);
  Made source(37, 3);
  const auto windows = some_windows(2, 300, 37);
  const Perplexity result = perplexity(team, source, windows, {.reference = &source});
  ASSERT_TRUE(result.divergence.has_value());
  EXPECT_EQ(result.divergence->kl.value, 0);
  EXPECT_EQ(result.divergence->kl_p99, 0);
  EXPECT_EQ(result.divergence->top1_agreement, 1);
}

class SavedFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() /
            ("octet_logprobs_" + std::to_string(::getpid()) + "_" +
             testing::UnitTest::GetInstance()->current_test_info()->name());
  }
  void TearDown() override { std::filesystem::remove(path_); }

  void save(Made& source, const std::vector<Window>& windows) {
    LogprobWriter writer(path_, source.vocabulary_size(), static_cast<int64_t>(windows.size()));
    perplexity(team_, source, windows, {.save = &writer});
    writer.finish();
  }

  device::ThreadTeam team_{2};
  std::filesystem::path path_;
};

TEST_F(SavedFile, StandsForTheModelThatWroteIt) {
  Made reference(37, 3);
  Made source(37, 2.5f);
  const auto windows = some_windows(3, 300, 37);
  save(reference, windows);
  SavedLogprobs saved(path_);
  EXPECT_EQ(saved.vocabulary_size(), 37);
  EXPECT_EQ(saved.windows(), 3);
  const auto beside = perplexity(team_, source, windows, {.reference = &reference});
  for (int pass = 0; pass < 2; ++pass) {
    saved.rewind();
    const auto from_file = perplexity(team_, source, windows, {.reference = &saved});
    // Saved values of magnitude < 16 are rounded to float: 2⁻²¹ each at most; a KL of
    // distributions that far off differs by at most twice that.
    const double tolerance = std::ldexp(1.0, -20);
    EXPECT_GT(beside.divergence->kl.value, 0.01);
    EXPECT_NEAR(from_file.divergence->kl.value, beside.divergence->kl.value, tolerance);
    EXPECT_NEAR(from_file.divergence->kl_p99, beside.divergence->kl_p99, tolerance);
    EXPECT_EQ(from_file.divergence->top1_agreement, beside.divergence->top1_agreement);
  }
}

TEST_F(SavedFile, RefusesOtherTokensOrMoreWindows) {
  Made source(37, 3);
  auto windows = some_windows(2, 50, 37);
  save(source, windows);
  auto more = windows;
  more.push_back(windows[0]);
  SavedLogprobs saved(path_);
  EXPECT_NE(
      error_of([&] { perplexity(team_, source, more, {.reference = &saved}); }).find("2 windows"),
      std::string::npos);
  saved.rewind();
  windows[1][49] = (windows[1][49] + 1) % 37;
  EXPECT_NE(error_of([&] {
              perplexity(team_, source, windows, {.reference = &saved});
            }).find("window 2 has other tokens"),
            std::string::npos);
  Made larger(38, 3);
  saved.rewind();
  EXPECT_NE(error_of([&] {
              perplexity(team_, larger, windows, {.reference = &saved});
            }).find("vocabulary"),
            std::string::npos);
}

TEST_F(SavedFile, DamageIsReportedAtEveryLength) {
  Made source(5, 3);
  save(source, some_windows(2, 4, 5));
  const std::string whole = read_file(path_);
  for (size_t length = 0; length < whole.size(); ++length) {
    write_file(path_, whole.substr(0, length));
    EXPECT_THROW(SavedLogprobs{path_}, Error) << length << " of " << whole.size() << " bytes";
  }
  write_file(path_, whole + "x");
  EXPECT_THROW(SavedLogprobs{path_}, Error);
}

TEST_F(SavedFile, HugeCountsAreReportedWithoutAllocating) {
  Made source(5, 3);
  save(source, some_windows(1, 4, 5));
  const std::string whole = read_file(path_);
  // Bytes of the vocabulary size, the number of windows, and the tokens of the first window.
  for (size_t at : {8u, 9u, 11u, 16u, 23u, 24u, 27u}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(0xff);
    write_file(path_, damaged);
    EXPECT_THROW(SavedLogprobs{path_}, Error) << "byte " << at;
  }
}

TEST_F(SavedFile, IsNotLeftBehindUnfinished) {
  {
    LogprobWriter writer(path_, 5, 1);
    writer.begin(std::vector<int32_t>{1, 2});
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(path_.string() + ".partial"));
}

}  // namespace
}  // namespace octet::evaluate

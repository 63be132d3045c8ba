// Medians, spreads, and when repeats are enough; on made-up times.
#include "evaluate/timing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace octet::evaluate {
namespace {

TEST(Timing, medianIsTheMiddleOfTheSortedValues) {
  EXPECT_EQ(median(std::vector<double>{7}), 7);
  EXPECT_EQ(median(std::vector<double>{9, 1, 5}), 5);
  EXPECT_EQ(median(std::vector<double>{8, 1, 2, 4}), 3);
}

TEST(Timing, spreadIsHalfTheQuartileDistanceOverTheMedian) {
  EXPECT_EQ(spread(std::vector<double>{4, 4, 4}), 0);
  // Quartiles of 1 … 5 are 2 and 4.
  EXPECT_EQ(spread(std::vector<double>{5, 3, 1, 4, 2}), 1.0 / 3);
  // A single outlier does not move the quartiles.
  EXPECT_EQ(spread(std::vector<double>{1, 1, 1, 1, 100}), 0);
}

class Repeats : public testing::Test {
 protected:
  /// How many of these durations are measured; the last one repeats for ever.
  size_t measured(std::vector<double> durations) {
    size_t next = 0;
    return repeat([&] { return durations[std::min(next++, durations.size() - 1)]; }, limits_)
        .size();
  }
  RepeatLimits limits_ = {.fewest = 3, .most = 20, .seconds = 100, .stable = 0.01};
};

TEST_F(Repeats, stopOnceFiveAreStable) {
  EXPECT_EQ(measured({1}), 5u);
  // Two slow ones of nine lie beyond the upper quartile, of eight not quite.
  EXPECT_EQ(measured({2, 3, 1, 1, 1, 1, 1, 1, 1}), 9u);
}

TEST_F(Repeats, stopAtTheMostWhenNothingIsStable) {
  limits_.stable = -1;
  EXPECT_EQ(measured({1}), 20u);
}

TEST_F(Repeats, stopWhenTheTimeIsUpButNotBeforeTheFewest) {
  limits_.stable = -1;
  EXPECT_EQ(measured({30}), 4u);
  EXPECT_EQ(measured({1000}), 3u);
}

TEST_F(Repeats, canBeStoppedInBetween) {
  int calls = 0;
  limits_.between = [&] {
    if (++calls == 3) throw std::runtime_error("stop");
  };
  EXPECT_THROW(measured({1}), std::runtime_error);
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace octet::evaluate

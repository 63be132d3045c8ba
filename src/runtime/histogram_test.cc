// Histograms: which count a value goes to.
#include "runtime/histogram.h"

#include <gtest/gtest.h>

namespace octet::runtime {
namespace {

TEST(Histogram, CountsAValueAtTheFirstBoundThatIsNotBelowIt) {
  Histogram histogram({1, 2, 4});
  for (const double value : {0., 1., 1.5, 2., 4., 4.5, 100.}) histogram.add(value);
  EXPECT_EQ(std::vector<int64_t>(histogram.counts().begin(), histogram.counts().end()),
            (std::vector<int64_t>{2, 2, 1, 2}));
  EXPECT_EQ(histogram.count(), 7);
  EXPECT_EQ(histogram.sum(), 113);
  EXPECT_EQ(histogram.highest(), 100);
}

}  // namespace
}  // namespace octet::runtime

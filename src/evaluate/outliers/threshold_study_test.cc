// Which threshold is recommended, and that a kind's own threshold changes that kind alone.
#include "evaluate/outliers/threshold_study.h"

#include <gtest/gtest.h>

#include "support/scoring.h"
#include "support/tiny_model.h"

namespace octet::evaluate {
namespace {

ThresholdPoint point(float threshold, double columns, double kl) {
  ThresholdPoint made;
  made.threshold = threshold;
  made.outlier_columns = columns;
  made.result.divergence = Divergence{.kl = {.value = kl, .standard_error = 0}};
  return made;
}

TEST(RecommendedThreshold, IsTheOneWithFewestColumnsAmongThoseAsGoodAsTheBest) {
  EXPECT_EQ(recommended_point({point(0, 0, 0.5), point(6, 0.06, 0.1), point(20, 0.01, 0.1099),
                               point(50, 0.001, 0.1101)}),
            2u);
  EXPECT_EQ(recommended_point({point(0, 0, 0.1), point(6, 0.06, 0.1)}), 0u);  // off is enough
  EXPECT_EQ(recommended_point({point(4, 0.1, 0.1), point(6, 0, 0.1), point(9, 0, 0.1)}), 1u);
}

TEST(ThresholdStudy, MeasuresEachKindByItselfAndTheChoiceTogether) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({.outlier_gain = 40}, directory.path());
  device::Cpu cpu(2);
  const auto load = [&](const linear::Precision& precision) {
    model::LoadOptions options;
    options.precision = precision;
    return model::load(cpu, directory.path(), options);
  };
  model::Loaded reference = load({.method = linear::Method::fp32});
  const std::vector<Window> windows = {{1, 5, 9, 60, 33, 2, 80, 4}, {3, 3, 8, 90, 41, 7, 6, 5}};
  ThresholdStudyOptions options;
  options.base = {.threshold = 6, .outliers = linear::OutlierMode::kept, .activation_bits = 8};
  options.thresholds = {0, 1e6f};
  options.speed_seconds = 0;
  options.load = load;
  double last = 0;
  options.progress = [&](double share) {
    EXPECT_GE(share, last);
    EXPECT_LE(share, 1);
    last = share;
  };
  const ThresholdStudy study = study_thresholds(cpu, reference.model, windows, options);
  EXPECT_EQ(study.thresholds, (std::vector<float>{0, 6, 1e6f}));
  ASSERT_EQ(study.together.size(), 3u);
  // Two features of 48 are that large in what q/k/v and gate/up read.
  EXPECT_GE(mean_over_layers(study.shares[1], linear::LayerKind::qkv), 2.0 / 48);
  EXPECT_EQ(mean_over_layers(study.shares[0], linear::LayerKind::qkv), 0);
  EXPECT_EQ(mean_over_layers(study.shares[2], linear::LayerKind::qkv), 0);
  // Nothing reaches a million: the same as off, for all layers and for one kind of them.
  EXPECT_EQ(study.together[0].kl(), study.together[2].kl());
  const auto& qkv = study.by_kind[static_cast<size_t>(linear::LayerKind::qkv)];
  EXPECT_EQ(qkv[0].kl(), qkv[2].kl());
  EXPECT_EQ(qkv[1].kl(), study.at_base().kl());
  EXPECT_NE(qkv[0].kl(), qkv[1].kl());
  EXPECT_LT(qkv[0].weights_bytes, qkv[1].weights_bytes);
  EXPECT_LT(study.together[0].weights_bytes, qkv[0].weights_bytes);
  for (const ThresholdPoint& together : study.together) EXPECT_GT(together.decode_per_s, 0);
  // What is chosen is what loading with these thresholds gives.
  model::Loaded chosen = load(study.recommendation());
  EXPECT_EQ(study.chosen.weights_bytes, chosen.model.weights().bytes());
}

}  // namespace
}  // namespace octet::evaluate

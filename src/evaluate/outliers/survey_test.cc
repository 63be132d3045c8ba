// Which dimensions are outliers: the definition at its edges, and outliers planted into a model.
#include "evaluate/outliers/survey.h"

#include <gtest/gtest.h>

#include <array>

#include "evaluate/outliers/ablation.h"
#include "model/load/plant_outliers.h"
#include "octet/error.h"
#include "support/scoring.h"
#include "support/tiny_model.h"

namespace octet::evaluate {
namespace {

using model::LinearId;
using model::LinearSlot;
using tensor::MatrixView;

constexpr int64_t kLayers = 4;
constexpr int64_t kPositions = 100;
constexpr int64_t kHidden = 3;

/// Hidden states of four layers that are zero but for what a test puts there.
class MadeStates {
 public:
  MadeStates() : values_(kLayers * 2 * kPositions * kHidden) {}

  float& at(int64_t layer, bool attention, int64_t position, int64_t dimension) {
    return values_[static_cast<size_t>(
        ((layer * 2 + (attention ? 0 : 1)) * kPositions + position) * kHidden + dimension)];
  }
  OutlierSurvey survey(LinearSlot feed_forward = LinearSlot::up) {
    OutlierTracker tracker(kLayers, kHidden, 6);
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      tracker.see(layer, {LinearSlot::qkv}, {&at(layer, true, 0, 0), kPositions, kHidden});
      tracker.see(layer, {feed_forward}, {&at(layer, false, 0, 0), kPositions, kHidden});
    }
    tracker.end_window(kPositions);
    return tracker.result({});
  }

 private:
  std::vector<float> values_;
};

TEST(OutlierDefinition, HoldsFromAQuarterOfTheLayersAndSixPercentOfTheirPositionsOn) {
  MadeStates states;  // 4 layers · 100 positions: 24 pairs are 6%, one layer is a quarter
  for (int64_t position = 0; position < 24; ++position) states.at(2, true, position, 0) = 6;
  for (int64_t position = 0; position < 23; ++position) states.at(1, false, position, 1) = -60;
  for (int64_t position = 0; position < 100; ++position) states.at(3, true, position, 2) = 5.999f;
  const OutlierSurvey survey = states.survey();
  EXPECT_EQ(survey.indices(), std::vector<int32_t>{0});
  EXPECT_EQ(survey.outliers[0].layers, 0.25);
  EXPECT_EQ(survey.outliers[0].positions, 0.06);
  EXPECT_EQ(survey.outliers[0].attention_layers, std::vector<int64_t>{2});
  EXPECT_TRUE(survey.outliers[0].feed_forward_layers.empty());
  ASSERT_EQ(survey.others.size(), 1u);
  EXPECT_EQ(survey.others[0].index, 1);
  EXPECT_EQ(survey.others[0].peak, -60);
  EXPECT_EQ(survey.peaks, (std::vector<float>{6, 60, 5.999f}));
}

TEST(OutlierDefinition, AsksForTheSameDimensionInAQuarterOfTheLayers) {
  OutlierTracker tracker(5, 1, 6);  // one layer of five is not a quarter, two are
  std::vector<float> large(50, 7.0f);
  std::vector<float> none(50, 0.0f);
  for (int64_t layer = 0; layer < 5; ++layer) {
    tracker.see(layer, {LinearSlot::qkv}, {layer == 0 ? large.data() : none.data(), 50, 1});
  }
  tracker.end_window(50);
  EXPECT_TRUE(tracker.result({}).outliers.empty());
  tracker.see(4, {LinearSlot::qkv}, {large.data(), 50, 1});
  tracker.end_window(50);
  EXPECT_EQ(tracker.result({}).indices(), std::vector<int32_t>{0});
}

TEST(OutlierDefinition, CountsAPositionOfALayerOnceAndLooksAtRouters) {
  MadeStates states;
  for (int64_t position = 0; position < 30; ++position) {
    states.at(0, true, position, 0) = 7;
    states.at(0, false, position, 0) = 9;
  }
  for (const LinearSlot slot : {LinearSlot::up, LinearSlot::router}) {
    const OutlierSurvey survey = states.survey(slot);
    ASSERT_EQ(survey.outliers.size(), 1u);
    EXPECT_EQ(survey.outliers[0].positions, 30.0 / 400);
    EXPECT_EQ(survey.outliers[0].values, 60);
    EXPECT_EQ(survey.outliers[0].attention_layers, survey.outliers[0].feed_forward_layers);
  }
}

TEST(OutlierDefinition, PassesOverInputsWithDimensionsOfTheirOwn) {
  OutlierTracker tracker(1, 2, 6);
  std::array<float, 5> large{9, 9, 9, 9, 9};
  tracker.see(0, {LinearSlot::attention_output}, {large.data(), 1, 5});
  tracker.see(0, {LinearSlot::down}, {large.data(), 1, 5});
  tracker.see(0, {LinearSlot::up, 3}, {large.data(), 1, 5});
  tracker.end_window(1);
  EXPECT_TRUE(tracker.result({}).outliers.empty());
}

TEST(OutlierDimension, IsOneSidedUpToOneInAHundred) {
  MadeStates states;
  for (int64_t position = 0; position < 100; ++position) {
    states.at(0, true, position, 0) = position < 1 ? 8.0f : -8.0f;
    states.at(0, true, position, 1) = position < 2 ? 8.0f : -8.0f;
  }
  const OutlierSurvey survey = states.survey();
  ASSERT_EQ(survey.outliers.size(), 2u);
  EXPECT_TRUE(survey.outliers[0].one_sided);
  EXPECT_FALSE(survey.outliers[1].one_sided);
  EXPECT_EQ(survey.one_sided(), 1);
  EXPECT_EQ(survey.median_magnitude, 8);
}

TEST(OutlierDimension, HasTheQuartilesOfItsValuesFromTheThresholdOn) {
  MadeStates states;
  for (int64_t position = 0; position < 40; ++position) {
    states.at(1, true, position, 0) = -static_cast<float>(10 + position);  // −10 … −49
  }
  for (int64_t position = 40; position < 100; ++position) states.at(1, true, position, 0) = 5;
  const OutlierSurvey survey = states.survey();
  ASSERT_EQ(survey.outliers.size(), 1u);
  // Nearest rank: the 10th, 20th and 30th of 40 in rising order.
  EXPECT_EQ(survey.quartiles.lower, -40);
  EXPECT_EQ(survey.quartiles.median, -30);
  EXPECT_EQ(survey.quartiles.upper, -20);
}

TEST(ColumnShare, IsTheMeanOverWindowsForEachThreshold) {
  ColumnShareTracker tracker(2, {6, 20});
  std::array<float, 4> first{0, -7, 30, 5};
  std::array<float, 4> second{0, 0, 0, 6};
  tracker.see(1, {LinearSlot::down}, {first.data(), 1, 4});
  tracker.see(1, {LinearSlot::down}, {second.data(), 1, 4});  // a later step of the same window
  tracker.see(1, {LinearSlot::router}, {first.data(), 1, 4});
  tracker.end_window();
  tracker.see(1, {LinearSlot::down}, {second.data(), 1, 4});
  tracker.end_window();
  const auto down = static_cast<size_t>(linear::LayerKind::down);
  EXPECT_EQ(tracker.share(0)[1][down], (3.0 / 4 + 1.0 / 4) / 2);
  EXPECT_EQ(tracker.share(1)[1][down], (1.0 / 4 + 0) / 2);
  EXPECT_EQ(tracker.share(0)[0][down], 0);
  EXPECT_EQ(mean_over_layers(tracker.share(0), linear::LayerKind::down), 0.25);
}

/// A small model and the same with outliers planted, on windows of random tokens.
class PlantedModel : public testing::Test {
 protected:
  void SetUp() override {
    test::write_tiny_model({.dtype = "f32"}, directory_.path() / "natural");
    model::plant_outliers(directory_.path() / "natural", directory_.path() / "planted",
                          {.dimensions = dimensions_, .gain = 32, .progress = {}});
    uint32_t state = 1;
    windows_.resize(2);
    for (Window& window : windows_) {
      for (int i = 0; i < 48; ++i) {
        state = state * 1664525 + 1013904223;
        window.push_back(static_cast<int32_t>(state >> 8) % 97);
      }
    }
  }
  model::Loaded load(const char* name) {
    return model::load(cpu_, directory_.path() / name, test::with_method(linear::Method::fp32));
  }

  const test::TemporaryDirectory directory_;
  const std::vector<int32_t> dimensions_ = {3, 31, 47};
  device::Cpu cpu_{2};
  std::vector<Window> windows_;
};

TEST_F(PlantedModel, HasExactlyThePlantedDimensionsAsOutliers) {
  model::Loaded natural = load("natural");
  model::Loaded planted = load("planted");
  const OutlierSurvey before = survey_outliers(cpu_, natural.model, windows_, {}, 16);
  const OutlierSurvey after = survey_outliers(cpu_, planted.model, windows_, {}, 16);
  EXPECT_TRUE(before.outliers.empty());
  EXPECT_EQ(after.indices(), dimensions_);
  for (const OutlierDimension& dimension : after.outliers) {
    EXPECT_EQ(dimension.layers, 1);
    const auto index = static_cast<size_t>(dimension.index);
    EXPECT_EQ(after.peaks[index], 32 * before.peaks[index]);  // a power of two: exact
  }
}

TEST_F(PlantedModel, LosesWithoutThemWhatTheNaturalModelLoses) {
  model::Loaded natural = load("natural");
  model::Loaded planted = load("planted");
  const AblationOptions options = {.dimensions = dimensions_, .not_random = {}, .random_sets = 2};
  const Ablation before = ablate(cpu_, natural.model, windows_, options);
  const Ablation after = ablate(cpu_, planted.model, windows_, options);
  // Planting multiplies and divides by a power of two, so that not a bit of a product differs, with
  // zeros in its place or not.
  const auto expect_same = [](const Ablated& a, const Ablated& b) {
    EXPECT_EQ(a.dimensions, b.dimensions);
    EXPECT_EQ(a.top_attention, b.top_attention);
    EXPECT_EQ(a.perplexity.nll.value, b.perplexity.nll.value);
  };
  expect_same(before.whole, after.whole);
  expect_same(before.without, after.without);
  for (size_t i = 0; i < 2; ++i) expect_same(before.random[i], after.random[i]);
  EXPECT_NE(before.without.perplexity.nll.value, before.whole.perplexity.nll.value);
  EXPECT_NE(before.without.top_attention, before.whole.top_attention);
  EXPECT_NE(before.random[0].dimensions, before.random[1].dimensions);
}

TEST_F(PlantedModel, WholeIsWhatPerplexityMeasures) {
  model::Loaded natural = load("natural");
  const Ablation ablation = ablate(cpu_, natural.model, windows_, {});
  ModelSource source(natural.model, cpu_, 48, 16);
  EXPECT_EQ(ablation.whole.perplexity.nll.value,
            perplexity(cpu_.team(), source, windows_, {}).nll.value);
  EXPECT_TRUE(ablation.random.empty());
  EXPECT_EQ(ablation.random_perplexity(), 0);
}

TEST_F(PlantedModel, RefusesDimensionsItDoesNotHave) {
  model::Loaded natural = load("natural");
  EXPECT_THROW(ablate(cpu_, natural.model, windows_, {.dimensions = {48}}), Error);
  std::vector<int32_t> most(30);
  for (int32_t i = 0; i < 30; ++i) most[static_cast<size_t>(i)] = i;
  EXPECT_THROW(ablate(cpu_, natural.model, windows_, {.dimensions = most}), Error);
}

}  // namespace
}  // namespace octet::evaluate

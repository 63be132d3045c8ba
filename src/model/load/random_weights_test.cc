// Models of pseudo-random weights: the same every time, of the shape that was asked for.
#include "model/load/random_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "model/families/families.h"
#include "model/load/load.h"
#include "support/tiny_model.h"

namespace octet::model {
namespace {

TEST(RandomNormal, isOneSequenceHoweverItIsCut) {
  std::vector<float> whole(101);
  random_normal(7, 50, 101, 2.0f, whole.data());
  std::vector<float> parts(101);
  random_normal(7, 50, 33, 2.0f, parts.data());
  random_normal(7, 83, 68, 2.0f, parts.data() + 33);
  EXPECT_EQ(whole, parts);
  random_normal(8, 50, 101, 2.0f, parts.data());
  EXPECT_NE(whole, parts);
}

TEST(RandomNormal, hasTheMeanAndDeviationAskedFor) {
  constexpr int64_t kCount = 100000;
  std::vector<float> values(kCount);
  random_normal(1, 0, kCount, 3.0f, values.data());
  double sum = 0;
  double squares = 0;
  for (float v : values) {
    sum += v;
    squares += double{v} * v;
  }
  // Standard errors: of the mean 3/√n, of the variance at most 9·√(2/n); five of them.
  EXPECT_NEAR(sum / kCount, 0, 5 * 3 / std::sqrt(kCount));
  EXPECT_NEAR(squares / kCount, 9, 5 * 9 * std::sqrt(2.0 / kCount));
}

class RandomModel : public testing::Test {
 protected:
  std::filesystem::path config(const std::string& text) {
    const auto path = directory_.path() / "config.json";
    write_file(path, text);
    return path;
  }
  test::TemporaryDirectory directory_;
};

TEST_F(RandomModel, ofEveryFamilyLoadsAsItsConfigSays) {
  device::Cpu cpu(2);
  for (const char* family : {"llama", "gpt2", "opt"}) {
    test::write_tiny_model({.family = family}, directory_.path() / family);
    const auto path = directory_.path() / family / "config.json";
    const Loaded random = load_random(cpu, path, {});
    const Loaded stored = load(cpu, directory_.path() / family, {});
    EXPECT_EQ(random.model.architecture().parameters(), stored.model.architecture().parameters());
    EXPECT_EQ(random.model.architecture().family, family);
    EXPECT_EQ(random.tokenizer, nullptr);
  }
}

TEST_F(RandomModel, hasOutlierFeaturesWhereNormsAre) {
  device::Cpu cpu(2);
  test::write_tiny_model({.hidden = 96}, directory_.path());
  const Loaded loaded = load_random(cpu, directory_.path() / "config.json", {});
  int64_t behind_norms = 0;
  for (const KeptShare& input : loaded.kept) {
    if (input.linear.slot == LinearSlot::qkv || input.linear.slot == LinearSlot::up) {
      EXPECT_EQ(input.kept, 3);
      ++behind_norms;
    }
  }
  EXPECT_EQ(behind_norms, 4);
}

TEST_F(RandomModel, refusesWhatIsNoConfig) {
  device::Cpu cpu(1);
  EXPECT_THROW(load_random(cpu, directory_.path() / "absent.json", {}), Error);
  EXPECT_THROW(load_random(cpu, config("[1]"), {}), Error);
  EXPECT_THROW(load_random(cpu, config("{\"model_type\": \"llama\"}"), {}), Error);
}

TEST_F(RandomModel, keepsBfloat16WhenTheConfigSaysSo) {
  const std::string text =
      read_file(std::filesystem::path(OCTET_SOURCE_DIR) / "bench/configs/llama-1.17b.json");
  const RandomWeights half(config(text));
  const LinearNames names{{{.weight = "x", .bias = "", .outputs = 8}}, 16};
  EXPECT_EQ(half.source(names, 0).sixteen_bit, ops::SixteenBit::f16);
  std::string bfloat = text;
  bfloat.replace(bfloat.find("float16"), 7, "bfloat16");
  EXPECT_EQ(RandomWeights(config(bfloat)).source(names, 0).sixteen_bit, ops::SixteenBit::bf16);
}

TEST_F(RandomModel, theConfigInBenchIsTheShapeItsNameSays) {
  const RandomWeights weights(std::filesystem::path(OCTET_SOURCE_DIR) /
                              "bench/configs/llama-1.17b.json");
  const Architecture architecture = describe_architecture(weights.config());
  EXPECT_EQ(architecture.parameters() / 10'000'000, 117);
}

}  // namespace
}  // namespace octet::model

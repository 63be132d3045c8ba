// The accounting of bytes and operations, and that speeds follow from it; nothing is timed against
// a limit.
#include "evaluate/speed.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "evaluate/matmul_speed.h"
#include "model/load/load.h"
#include "support/tiny_model.h"

namespace octet::evaluate {
namespace {

using linear::Linear;
using linear::Method;
using linear::OutlierMode;
using linear::Precision;

constexpr int64_t kOutputs = 40;  // 48 with padding
constexpr int64_t kInputs = 70;   // 128 in int8, 96 in 16 bits

Linear layer(const Precision& precision, ops::SixteenBit type = ops::SixteenBit::f16,
             bool bias = false) {
  device::Cpu cpu(1);
  const linear::WeightSource source = {.outputs = kOutputs,
                                       .inputs = kInputs,
                                       .sixteen_bit = type,
                                       .read_rows = [](int64_t first, int64_t rows, float* out) {
                                         for (int64_t i = 0; i < rows * kInputs; ++i)
                                           out[i] = static_cast<float>(first + i % 7);
                                       }};
  const std::vector<float> biases(bias ? kOutputs : 0);
  Linear linear = Linear::pack(cpu, source, biases, precision, "test");
  if (linear::keeps_columns(precision)) {
    linear.keep_columns(cpu, source, std::vector<int32_t>{1, 5, 69});
  }
  return linear;
}

TEST(StepWeightBytes, areThoseThatAProductReads) {
  const int64_t scales_and_sums = 48 * (4 + 4);
  EXPECT_EQ(step_weight_bytes(layer({.method = Method::fp32})), 48 * 70 * 4);
  EXPECT_EQ(step_weight_bytes(layer({.method = Method::fp16})), 48 * 96 * 2);
  EXPECT_EQ(step_weight_bytes(layer({.method = Method::bf16})), 48 * 96 * 2);
  EXPECT_EQ(step_weight_bytes(layer({.method = Method::absmax_vectorwise})),
            48 * 128 + scales_and_sums);
  // Three kept columns are padded to 32.
  EXPECT_EQ(step_weight_bytes(layer({.method = Method::llm_int8})),
            48 * 128 + scales_and_sums + 48 * 32 * 2);
  // The 16-bit originals are there, but only outlier columns are taken from them.
  const Linear batch = layer({.method = Method::llm_int8, .outliers = OutlierMode::batch});
  EXPECT_GT(batch.parts().panels16.bytes(), 0u);
  EXPECT_EQ(step_weight_bytes(batch), 48 * 128 + scales_and_sums);
  EXPECT_EQ(step_weight_bytes(layer({.method = Method::bf16}, ops::SixteenBit::f16, true)),
            48 * 96 * 2 + 48 * 4);
}

TEST(Operations, countEveryPlaneOfUnpaddedLayers) {
  const double once = 2.0 * 5 * kInputs * kOutputs;
  const Linear int8 = layer({.method = Method::llm_int8});
  EXPECT_EQ(operations_of(int8, 5, 8).int8, once);
  EXPECT_EQ(operations_of(int8, 5, 16).int8, 2 * once);
  EXPECT_EQ(operations_of(int8, 5, 16).sixteen_bit, 0);
  EXPECT_EQ(operations_of(layer({.method = Method::absmax_vectorwise}), 5, 16).int8, once);
  EXPECT_EQ(operations_of(layer({.method = Method::fp32}), 5, 16).float32, once);
  const auto sixteen = [&](Method method, int planes) {
    return operations_of(layer({.method = method, .sixteen_bit_planes = planes}), 5, 16)
        .sixteen_bit;
  };
  EXPECT_EQ(sixteen(Method::bf16, 1), once);
  EXPECT_EQ(sixteen(Method::bf16, 2), 2 * once);
  EXPECT_EQ(sixteen(Method::fp16, 2), 3 * once);
}

TEST(Operations, takeAsLongAsThePeaksSay) {
  const Roofline roofline = {.int8_per_s = 100, .bfloat16_per_s = 50, .float32_per_s = 10};
  EXPECT_EQ((Operations{.int8 = 200, .sixteen_bit = 150, .float32 = 10}.seconds_at(roofline)), 6);
  EXPECT_EQ((Operations{.int8 = 200}.seconds_at({.int8_per_s = 100})), 2);
}

class ModelSpeed : public testing::Test {
 protected:
  ModelSpeed() { test::write_tiny_model({}, directory_.path()); }

  test::TemporaryDirectory directory_;
  device::Cpu cpu_{2};
  SpeedOptions options_ = {.prompt_tokens = 9, .decode_tokens = 3};
};

TEST_F(ModelSpeed, accountsForTheHeadAndNotForTheEmbedding) {
  const model::Loaded loaded = model::load(cpu_, directory_.path(), {});
  const model::Weights& weights = loaded.model.weights();
  ASSERT_NE(weights.lm_head, weights.token_embedding);
  int64_t bytes = step_weight_bytes(*weights.lm_head);
  double int8 = 0;
  for (const model::Layer& each : weights.layers) {
    for (const Linear* one : {&each.qkv, &each.attention_output, &each.up, &each.down}) {
      bytes += step_weight_bytes(*one);
      int8 += operations_of(*one, 4, 8).int8;
    }
  }
  EXPECT_EQ(step_weight_bytes(loaded.model), bytes);
  EXPECT_LT(bytes, weights.bytes());
  const Operations operations = step_operations(loaded.model, 4, 2, 8);
  EXPECT_EQ(operations.int8, int8);
  EXPECT_EQ(operations.sixteen_bit, operations_of(*weights.lm_head, 2, 8).sixteen_bit);
}

TEST_F(ModelSpeed, ratesFollowFromTimesAndWork) {
  model::Loaded loaded = model::load(cpu_, directory_.path(), {});
  options_.limits = {.fewest = 2, .most = 2};
  const PromptSpeed prompt = prompt_speed(cpu_, loaded.model, options_);
  EXPECT_GT(prompt.seconds, 0);
  EXPECT_EQ(prompt.tokens_per_s, 9 / prompt.seconds);
  EXPECT_EQ(prompt.repeats, 2);
  EXPECT_EQ(prompt.operations.total(), step_operations(loaded.model, 9, 1, 16).total());
  for (int64_t batch : {1, 5}) {
    const DecodeSpeed decode = decode_speed(cpu_, loaded.model, batch, options_);
    EXPECT_EQ(decode.batch, batch);
    EXPECT_EQ(decode.tokens_per_s, static_cast<double>(batch) / decode.step_s);
    EXPECT_EQ(decode.bytes_per_s,
              static_cast<double>(step_weight_bytes(loaded.model)) / decode.step_s);
  }
}

TEST(RandomTokens, areTheSameForASeedAndWithinTheVocabulary) {
  const std::vector<int32_t> tokens = random_tokens(1000, 50, 3);
  EXPECT_EQ(tokens, random_tokens(1000, 50, 3));
  EXPECT_NE(tokens, random_tokens(1000, 50, 4));
  const std::set<int32_t> seen(tokens.begin(), tokens.end());
  // Each of 50 ids is missed by 1000 draws with probability (1 − 1/50)^1000 = 2e-9.
  EXPECT_EQ(seen.size(), 50u);
  EXPECT_EQ(*seen.begin(), 0);
  EXPECT_EQ(*seen.rbegin(), 49);
}

TEST(RooflineBuffer, isBeyondTheCacheButWithinTheMemory) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  EXPECT_EQ(beyond_cache_bytes(0, 0), 256 * kMiB);
  EXPECT_EQ(beyond_cache_bytes(32 * kMiB, 0), 256 * kMiB);
  EXPECT_EQ(beyond_cache_bytes(100 * kMiB, 10000 * kMiB), 400 * kMiB);
  EXPECT_EQ(beyond_cache_bytes(100 * kMiB, 1000 * kMiB), 250 * kMiB);
}

TEST(MatmulSpeed, variantsAreThePapersWithTheBaselineFirst) {
  const auto variants = table5_variants({8, 16});
  ASSERT_EQ(variants.size(), 6u);
  EXPECT_EQ(variants[0].precision.method, Method::bf16);
  EXPECT_EQ(variants[0].precision.sixteen_bit_planes, 1);
  EXPECT_TRUE(variants[1].product_alone);
  EXPECT_EQ(variants[2].precision.method, Method::absmax_vectorwise);
  EXPECT_EQ(variants[3].precision.activation_bits, 8);
  EXPECT_EQ(variants[4].precision.activation_bits, 16);
  EXPECT_EQ(variants[5].precision.outliers, OutlierMode::batch);
  EXPECT_EQ(variants[5].precision.activation_bits, 8);
}

TEST(MatmulSpeed, plantedColumnsAreThreeWhereThereIsRoom) {
  EXPECT_EQ(planted_columns(768), (std::vector<int32_t>{109, 256, 767}));
  EXPECT_EQ(planted_columns(1), (std::vector<int32_t>{0}));
}

TEST(MatmulSpeed, everyVariantIsMeasuredForEveryNumberOfRows) {
  device::Cpu cpu(2);
  const Roofline roofline = {
      .int8_per_s = 1e12, .bfloat16_per_s = 5e11, .float32_per_s = 1e11, .dram_bytes_per_s = 3e10};
  const MatmulSpeedOptions options = {.inputs = 96,
                                      .outputs = 64,
                                      .rows = {1, 5},
                                      .variants = table5_variants({8, 16}),
                                      .seconds = 0,
                                      .rotate_bytes = 20000};
  const std::vector<MatmulSpeed> speeds = matmul_speed(cpu, options, roofline);
  ASSERT_EQ(speeds.size(), 12u);
  for (size_t i = 0; i < speeds.size(); ++i) {
    const MatmulSpeed& speed = speeds[i];
    EXPECT_EQ(speed.rows, i < 6 ? 1 : 5);
    EXPECT_EQ(speed.variant, i % 6);
    EXPECT_GT(speed.seconds, 0);
    // 16-bit activations are two planes of int8.
    const double planes = i % 6 == 4 ? 2 : 1;
    EXPECT_EQ(speed.operations, planes * 2.0 * static_cast<double>(speed.rows) * 96 * 64);
    EXPECT_EQ(speed.share_of_dram, speed.weight_bytes / speed.seconds / 3e10);
  }
  EXPECT_EQ(speeds[0].speedup, 1);
  EXPECT_EQ(speeds[6].speedup, 1);
}

}  // namespace
}  // namespace octet::evaluate

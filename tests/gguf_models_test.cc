// A GGUF file gives the logits of the Hugging Face checkpoint it was made from, for every
// architecture that octet reads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "model/load/gguf/architecture.h"
#include "support/family_variant.h"
#include "support/gguf_conversion.h"
#include "support/scoring.h"
#include "support/shared_data.h"
#include "support/temporary_directory.h"

namespace octet {
namespace {

using nlohmann::json;
using test::Logits;

/// Variants that a GGUF file can tell apart from its architecture's usual model. Others have
/// options that the converter does not write (windows of LLaMA's, activations, bases of GPT-NeoX).
const std::vector<std::string>& variants() {
  static const std::vector<std::string> names = {"bloom_plain",
                                                 "falcon2_11b",
                                                 "falcon_40b",
                                                 "falcon_7b",
                                                 "gemma",
                                                 "gemma2_usual_scores",
                                                 "gpt2_narrow",
                                                 "gpt_bigcode_one_head",
                                                 "gpt_neox_usual_base",
                                                 "llama_biases_linear",
                                                 "llama_yarn",
                                                 "mixtral_no_window",
                                                 "mpt_usual_scale",
                                                 "olmo2_groups",
                                                 "phi3_longrope_long",
                                                 "phi3_longrope_short",
                                                 "phi3_partial",
                                                 "phi_plain",
                                                 "qwen2_no_windows",
                                                 "qwen3_biases",
                                                 "stablelm",
                                                 "stablelm_parallel_head_norms",
                                                 "starcoder2_biases",
                                                 "t5_gated_gelu",
                                                 "t5_relu"};
  return names;
}

class GgufVariant : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    test::write_family_variant(GetParam(), directory_.path());
    test::write_gguf(directory_.path(), file_);
  }

  Logits logits(model::Model& model) {
    return test::all_logits(model, cpu_, test::variant_tokens(GetParam()), 16, 0,
                            test::variant_tokens(GetParam() + " source"));
  }

  const test::TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_.path() / "model.gguf";
  device::Cpu cpu_{2};
};

TEST_P(GgufVariant, Fp32GivesTransformersLogits) {
  model::Loaded loaded = model::load(cpu_, file_, test::with_method(linear::Method::fp32));
  test::expect_transformers_logits(GetParam(), logits(loaded.model));
}

TEST_P(GgufVariant, QuantisedAndReloadedItGivesTheSameBits) {
  model::Loaded loaded = model::load(cpu_, file_, test::with_method(linear::Method::llm_int8));
  model::save_quantized(loaded, file_, directory_.path() / "quantised");
  model::Loaded reloaded = model::load(cpu_, directory_.path() / "quantised", {});
  const Logits expected = logits(loaded.model);
  const Logits actual = logits(reloaded.model);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(std::memcmp(actual[i].data(), expected[i].data(), expected[i].size() * 4), 0) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, GgufVariant, testing::ValuesIn(variants()),
                         [](const auto& tested) { return tested.param; });

TEST(GgufArchitectures, ADamagedFileIsAnErrorOrAModelNeverACrash) {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "model.gguf";
  device::Cpu cpu(1);
  std::mt19937 random(7);
  for (const char* name : {"falcon_40b", "mixtral_no_window", "phi3_longrope_long",
                           "stablelm_parallel_head_norms", "t5_gated_gelu"}) {
    test::write_family_variant(name, directory.path());
    test::write_gguf(directory.path(), file);
    const std::string whole = read_file(file);
    for (int i = 0; i < 80; ++i) {
      std::string damaged = whole;
      // Mostly in front, where metadata and descriptions are.
      const size_t place = random() % (i % 8 == 0 ? whole.size() : 3000);
      damaged[place] = static_cast<char>(damaged[place] ^ (1 << (random() % 8)));
      if (i % 10 == 0) damaged.resize(place);
      write_file(file, damaged);
      try {
        model::load(cpu, file, test::with_method(linear::Method::fp32));
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      }
    }
  }
}

TEST(GgufArchitectures, EachIsTestedWithAVariant) {
  std::set<std::string> tested;
  for (const std::string& name : variants()) {
    tested.insert(test::family_variants()["cases"][name]["config"]["model_type"]);
  }
  for (const model::GgufArchitecture& each : model::gguf_architectures()) {
    EXPECT_TRUE(tested.contains(std::string(each.model_types.front()))) << each.name;
  }
}

/// Larger references, which are not part of the repository.
class GgufReference : public testing::TestWithParam<std::string> {};

TEST_P(GgufReference, Fp32GivesTheReferenceLogits) {
  const auto path = test::shared_path("models/" + GetParam());
  OCTET_REQUIRE_PATH(path);
  const json reference = json::parse(read_file(path / "reference.json"));
  const test::TemporaryDirectory directory;
  test::write_gguf(path, directory.path() / "model.gguf");
  device::Cpu cpu(2);
  model::Loaded loaded =
      model::load(cpu, directory.path() / "model.gguf", test::with_method(linear::Method::fp32));
  auto ids = reference["input_ids"].get<std::vector<int32_t>>();
  std::vector<int32_t> source;
  if (reference.contains("decoder_input_ids")) {
    source = ids;
    ids = reference["decoder_input_ids"].get<std::vector<int32_t>>();
  }
  const Logits logits = test::all_logits(loaded.model, cpu, ids, 16, 0, source);
  const auto positions = reference["positions"].get<std::vector<size_t>>();
  // Bounds as in reference_models_test.cc.
  const double bound = GetParam() == "tiny-t5-v1.1" ? 1e-3 : 1e-4;
  for (size_t p = 0; p < positions.size(); ++p) {
    const json& expected = reference["logits"][p];
    for (size_t i = 0; i < expected.size(); ++i) {
      const double value = expected[i].get<double>();
      EXPECT_NEAR(logits[positions[p]][i], value, bound + 1e-5 * std::fabs(value))
          << "position " << positions[p] << ", logit " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GgufReference,
                         testing::Values("tiny-bloom", "tiny-falcon", "tiny-gemma2",
                                         "tiny-gpt-bigcode", "tiny-gpt-neox", "tiny-gpt2",
                                         "tiny-llama", "tiny-llama3-rope", "tiny-mixtral",
                                         "tiny-mpt", "tiny-olmo2", "tiny-phi", "tiny-phi3",
                                         "tiny-qwen2", "tiny-qwen3", "tiny-starcoder2", "tiny-t5",
                                         "tiny-t5-v1.1"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           for (char& c : name) c = c == '-' || c == '.' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace octet

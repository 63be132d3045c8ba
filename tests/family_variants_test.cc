// Variants of every family: small models whose weights follow from their names give the logits that
// transformers computed (tests/families/make_variants.py), and stay the same when quantised and
// reloaded.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/family_variant.h"
#include "support/scoring.h"
#include "support/temporary_directory.h"

namespace octet {
namespace {

using nlohmann::json;
using test::Logits;

class FamilyVariant : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { test::write_family_variant(GetParam(), directory_.path()); }

  Logits logits(model::Model& model) {
    return test::all_logits(model, cpu_, test::variant_tokens(GetParam()), 16, 0,
                            test::variant_tokens(GetParam() + " source"));
  }

  const json& variant_ = test::family_variants()["cases"][GetParam()];
  const test::TemporaryDirectory directory_;
  device::Cpu cpu_{2};
};

TEST_P(FamilyVariant, Fp32GivesTransformersLogits) {
  model::Loaded loaded =
      model::load(cpu_, directory_.path(), test::with_method(linear::Method::fp32));
  const Logits computed = logits(loaded.model);
  const auto positions = test::family_variants()["positions"].get<std::vector<size_t>>();
  for (size_t p = 0; p < positions.size(); ++p) {
    const json& expected = variant_["logits"][p];
    ASSERT_EQ(computed[positions[p]].size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      // As for the larger references: both were computed in float32, in other orders; the stored
      // six digits add 5e-6 of the value at most.
      const double reference = expected[i].get<double>();
      EXPECT_NEAR(computed[positions[p]][i], reference, 1e-4 + 2e-5 * std::fabs(reference))
          << "position " << positions[p] << ", logit " << i;
    }
  }
}

TEST_P(FamilyVariant, QuantisedAndReloadedItGivesTheSameBits) {
  const std::filesystem::path quantised = directory_.path() / "quantised";
  model::Loaded loaded =
      model::load(cpu_, directory_.path(), test::with_method(linear::Method::llm_int8));
  model::save_quantized(loaded, directory_.path(), quantised);
  model::Loaded reloaded = model::load(cpu_, quantised, {});
  const Logits expected = logits(loaded.model);
  const Logits actual = logits(reloaded.model);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(std::memcmp(actual[i].data(), expected[i].data(), expected[i].size() * 4), 0) << i;
  }
  EXPECT_EQ(reloaded.kept.size(), loaded.kept.size());
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const auto& [name, variant] : test::family_variants()["cases"].items())
    names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Variants, FamilyVariant, testing::ValuesIn(names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace octet

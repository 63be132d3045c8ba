// Variants of every family: small models whose weights follow from their names give the logits that
// transformers computed (tests/families/make_variants.py), and stay the same when quantised and
// reloaded.
#include <gtest/gtest.h>

#include <cstring>

#include "support/family_variant.h"
#include "support/scoring.h"
#include "support/temporary_directory.h"

namespace octet {
namespace {

using test::Logits;

class FamilyVariant : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { test::write_family_variant(GetParam(), directory_.path()); }

  Logits logits(model::Model& model) {
    return test::all_logits(model, cpu_, test::variant_tokens(GetParam()), 16, 0,
                            test::variant_tokens(GetParam() + " source"));
  }

  const test::TemporaryDirectory directory_;
  device::Cpu cpu_{2};
};

TEST_P(FamilyVariant, Fp32GivesTransformersLogits) {
  model::Loaded loaded =
      model::load(cpu_, directory_.path(), test::with_method(linear::Method::fp32));
  test::expect_transformers_logits(GetParam(), logits(loaded.model));
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

// Looking into a pass changes nothing, and what an observer changes reaches one layer only: in
// every family, whatever its residual stream looks like.
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "support/family_variant.h"
#include "support/scoring.h"
#include "support/temporary_directory.h"

namespace octet {
namespace {

using model::LinearId;
using model::LinearSlot;
using model::PassObserver;
using tensor::MatrixView;
using Rows = std::vector<std::vector<float>>;

Rows copied(MatrixView<const float> view) {
  Rows rows;
  for (int64_t r = 0; r < view.rows; ++r)
    rows.emplace_back(view.row(r), view.row(r) + view.columns);
  return rows;
}

class ObservedPass : public testing::TestWithParam<std::string> {
 protected:
  ObservedPass() : loaded_(load()) {}

  Rows logits(const PassObserver& observer) {
    const auto tokens = test::variant_tokens(GetParam());
    const auto source = test::variant_tokens(GetParam() + " source");
    runtime::Session session(loaded_.model, cpu_,
                             static_cast<int64_t>(std::max(tokens.size(), source.size())));
    const runtime::SequenceId sequence = session.open();
    if (loaded_.model.architecture().encoder_decoder()) session.encode(sequence, source, 16);
    const runtime::Feed feed{.sequence = sequence, .tokens = tokens, .all_logits = true};
    return copied(session.run({&feed, 1}, 16, observer));
  }

  model::Loaded load() {
    test::write_family_variant(GetParam(), directory_.path());
    return model::load(cpu_, directory_.path(), test::with_method(linear::Method::fp32));
  }

  const test::TemporaryDirectory directory_;
  device::Cpu cpu_{2};
  model::Loaded loaded_;
};

TEST_P(ObservedPass, HasTheSameBitsWhenNothingIsChanged) {
  PassObserver observer;
  int64_t seen = 0;
  observer.input = [&](int64_t, LinearId, MatrixView<float>) { ++seen; };
  observer.trials = {{}, {0, 1}};
  int64_t tried = 0;
  observer.heads = [&](int64_t, size_t, MatrixView<const float>) { ++tried; };
  EXPECT_EQ(logits(observer), logits({}));
  EXPECT_GE(seen, 4 * loaded_.model.architecture().layers);
  EXPECT_EQ(tried, 2 * loaded_.model.architecture().layers);
}

TEST_P(ObservedPass, TriesHeadsOfTheWholeInputAsAttentionReadsThem) {
  PassObserver observer;
  observer.trials = {{}, {0, 1}, {}};
  std::map<size_t, Rows> of_last_layer;
  observer.heads = [&](int64_t, size_t trial, MatrixView<const float> qkv) {
    of_last_layer[trial] = copied(qkv);
  };
  logits(observer);
  EXPECT_EQ(of_last_layer[0], of_last_layer[2]);
  EXPECT_NE(of_last_layer[0], of_last_layer[1]);
}

TEST_P(ObservedPass, KeepsTheResidualStreamWhenAnInputBecomesZero) {
  // Without what attention reads and without what its output projection reads, attention adds a
  // bias to each row and no more: what the feed-forward block reads still tells the rows' tokens
  // apart.
  Rows feed_forward;
  PassObserver observer;
  observer.input = [&](int64_t layer, LinearId id, MatrixView<float> input) {
    const bool attention = id.slot == LinearSlot::qkv || id.slot == LinearSlot::attention_output ||
                           id.slot == LinearSlot::cross_query ||
                           id.slot == LinearSlot::cross_output;
    for (int64_t r = 0; attention && r < input.rows; ++r) {
      std::fill_n(input.row(r), input.columns, 0.0f);
    }
    const bool first = id.slot == LinearSlot::up || id.slot == LinearSlot::router;
    if (layer == 0 && first && id.expert < 0) feed_forward = copied(input);
  };
  logits(observer);
  const auto tokens = test::variant_tokens(GetParam());
  ASSERT_EQ(feed_forward.size(), tokens.size());
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i] == tokens[0]) continue;
    EXPECT_NE(feed_forward[i], feed_forward[0]) << i;
  }
}

std::vector<std::string> variants() {
  std::vector<std::string> names;
  for (const auto& [name, variant] : test::family_variants()["cases"].items())
    names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Variants, ObservedPass, testing::ValuesIn(variants()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace octet

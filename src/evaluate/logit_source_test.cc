// Windows that run together have the logits of windows that run alone, bit for bit.
#include "evaluate/logit_source.h"

#include <gtest/gtest.h>

#include "evaluate/perplexity.h"
#include "model/load/load.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace octet::evaluate {
namespace {

using linear::Method;

class Batches : public testing::Test {
 protected:
  Batches() { test::write_tiny_model({.outlier_gain = 32}, directory_.path() / "model"); }

  model::Loaded load(Method method) {
    model::LoadOptions options;
    options.precision.method = method;
    options.precision.activation_bits = method == Method::llm_int8 ? 16 : 8;
    return model::load(cpu_, directory_.path() / "model", options);
  }

  /// Windows of very different lengths; some fill a part by themselves.
  static std::vector<Window> windows() {
    std::vector<Window> windows;
    int32_t state = 1;
    for (const size_t length : {3, 70, 2, 200, 5, 256, 120, 120, 17, 2, 2, 64}) {
      Window window;
      for (size_t i = 0; i < length; ++i) {
        state = (state * 1103 + 12345) % 65536;
        window.push_back(state % 97);
      }
      windows.push_back(std::move(window));
    }
    return windows;
  }

  const test::TemporaryDirectory directory_;
  device::Cpu cpu_{2};
};

TEST_F(Batches, ChangeNoBitOfAnyMethod) {
  for (const Method method : linear::all_methods()) {
    model::Loaded loaded = load(method);
    const auto all = windows();
    ModelSource together(loaded.model, cpu_, 256, 16);
    const Perplexity result = perplexity(cpu_.team(), together, all, {.keep_logprobs = true});
    std::vector<double> alone;
    for (const Window& window : all) {
      ModelSource one(loaded.model, cpu_, 256, 16);
      const auto each = perplexity(cpu_.team(), one, {&window, 1}, {.keep_logprobs = true});
      alone.insert(alone.end(), each.logprobs.begin(), each.logprobs.end());
    }
    EXPECT_EQ(result.logprobs, alone) << linear::name(method);
  }
}

TEST_F(Batches, MayBeBrokenOffAndBegunAnew) {
  model::Loaded loaded = load(Method::fp32);
  const auto all = windows();
  ModelSource source(loaded.model, cpu_, 256, 16);
  const Perplexity whole = perplexity(cpu_.team(), source, all, {.keep_logprobs = true});
  PerplexityOptions stopped;
  stopped.progress = [](double share) {
    if (share > 0.2) throw std::runtime_error("stopped");
  };
  EXPECT_THROW(perplexity(cpu_.team(), source, all, stopped), std::runtime_error);
  EXPECT_EQ(perplexity(cpu_.team(), source, all, {.keep_logprobs = true}).logprobs, whole.logprobs);
}

}  // namespace
}  // namespace octet::evaluate

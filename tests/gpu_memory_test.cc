// What a GPU's memory holds is what a plan foretold, and never more than its limit.
#include "device/gpu_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/plan.h"
#include "runtime/session.h"
#include "support/gpu.h"
#include "support/scoring.h"
#include "support/shared_data.h"

namespace octet {
namespace {

using linear::Method;
using runtime::Workload;

/// Fills every sequence of a session to its context: a long prompt beside single rows, then rows of
/// all sequences.
void run_workload(model::Model& model, device::Cpu& cpu, const Workload& workload, int bits) {
  runtime::Session session(model, cpu, workload.context, workload.sequences);
  const auto token = [&](int64_t i) {
    return static_cast<int32_t>((i * 7 + 3) % model.architecture().vocabulary_size);
  };
  std::vector<int32_t> text;
  for (int64_t i = 0; i < workload.context; ++i) text.push_back(token(i));
  const auto tokens = std::span<const int32_t>(text);
  std::vector<runtime::Feed> feeds;
  for (int64_t s = 0; s < workload.sequences; ++s) {
    feeds.push_back({.sequence = session.open(), .tokens = {}, .all_logits = workload.all_logits});
    if (model.architecture().encoder_decoder()) session.encode(feeds.back().sequence, text, bits);
  }
  // All but the first sequence come to their last position but two; then a row of each runs beside
  // the first one's prompt, then the last row of each.
  const auto others = std::span(feeds).subspan(1);
  for (runtime::Feed& feed : others) {
    feed.tokens = tokens.first(tokens.size() - 2);
    session.run({&feed, 1}, bits);
    feed.tokens = tokens.subspan(tokens.size() - 2, 1);
  }
  feeds.front().tokens = tokens;
  session.run(feeds, bits);
  session.truncate(feeds.front().sequence, workload.context - 1);
  for (runtime::Feed& feed : feeds) feed.tokens = tokens.last(1);
  session.run(feeds, bits);
}

class GpuPlan : public testing::TestWithParam<std::string> {};

TEST_P(GpuPlan, ForetellsEveryByteThatIsAllocated) {
  OCTET_REQUIRE_GPU();
  const auto path = test::shared_path("models/" + GetParam());
  OCTET_REQUIRE_PATH(path);
  device::Cpu cpu(2);
  std::vector<model::LoadOptions> all = {
      test::with_method(Method::fp32), test::with_method(Method::bf16),
      test::with_method(Method::llm_int8), test::with_method(Method::llm_int8, 8),
      test::with_method(Method::absmax_vectorwise, 8)};
  all[3].skip_modules = {"none"};
  for (const model::LoadOptions& options : all) {
    for (const Workload& workload : {Workload{.context = 40, .sequences = 1, .all_logits = true},
                                     Workload{.context = 40, .sequences = 3}}) {
      SCOPED_TRACE(std::string(linear::name(options.precision.method)) + ", " +
                   std::to_string(workload.sequences) + " sequences");
      model::Loaded loaded = model::load(cpu, path, options);
      const runtime::Planner planner(loaded.model.architecture(), model::shape_of(loaded.model),
                                     runtime::DeviceKind::gpu);
      const runtime::DevicePlan plan = planner.place(workload, 1).front();
      device::restart_gpu_peak(0);
      loaded.model.move_to_gpu(0);
      run_workload(loaded.model, cpu, workload, options.precision.activation_bits);
      EXPECT_EQ(loaded.model.gpu_bytes(), plan.weights_bytes + plan.buffer_bytes);
      EXPECT_EQ(device::gpu_use(0).most_bytes, plan.bytes());
    }
    EXPECT_EQ(device::gpu_use(0).bytes, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GpuPlan,
                         testing::Values("tiny-bloom", "tiny-gpt2", "tiny-llama", "tiny-opt",
                                         "tiny-opt-350m-style", "tiny-t5"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace octet

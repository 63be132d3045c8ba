// What a GPU's memory holds is what a plan foretold, and never more than its limit.
#include "device/gpu_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/placement.h"
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

TEST_P(GpuPlan, ForetellsTheLastLayersOfADividedModel) {
  OCTET_REQUIRE_GPU();
  const auto path = test::shared_path("models/" + GetParam());
  OCTET_REQUIRE_PATH(path);
  device::Cpu cpu(2);
  const Workload workload = {.context = 40, .sequences = 3};
  model::Loaded loaded = model::load(cpu, path, test::with_method(Method::llm_int8));
  if (loaded.model.architecture().encoder_decoder()) GTEST_SKIP() << "is not divided";
  const runtime::Planner planner(loaded.model.architecture(), model::shape_of(loaded.model),
                                 runtime::DeviceKind::gpu);
  const runtime::DevicePlan plan = planner.last_layers(workload, 1);
  device::restart_gpu_peak(0);
  loaded.model.move_to_gpu(0, loaded.model.architecture().layers - 1);
  run_workload(loaded.model, cpu, workload, 16);
  EXPECT_EQ(loaded.model.gpu_bytes(), plan.weights_bytes + plan.buffer_bytes);
  EXPECT_EQ(device::gpu_use(0).most_bytes, plan.bytes());
}

INSTANTIATE_TEST_SUITE_P(Models, GpuPlan,
                         testing::Values("tiny-bloom", "tiny-gpt2", "tiny-llama", "tiny-opt",
                                         "tiny-opt-350m-style", "tiny-t5"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// tiny-llama with a planner of its own, and no limit left behind.
class GpuPlacement : public testing::Test {
 protected:
  void SetUp() override {
    OCTET_REQUIRE_GPU();
    OCTET_REQUIRE_PATH(path_);
    loaded_.emplace(model::load(cpu_, path_, test::with_method(Method::llm_int8)));
    planner_.emplace(architecture(), model::shape_of(loaded_->model), runtime::DeviceKind::gpu);
    ASSERT_GT(architecture().layers, 1);
    device::restart_gpu_peak(0);
  }
  void TearDown() override {
    loaded_.reset();
    device::limit_gpu_memory(0, 0);
  }
  const model::Architecture& architecture() { return loaded_->model.architecture(); }
  int64_t bytes_of(int64_t layers) {
    return runtime::plan_last_layers(*planner_, {&workload_, 1}, layers).bytes();
  }
  runtime::Placement place(int64_t limit, bool whole) {
    return runtime::place(loaded_->model, {&workload_, 1}, runtime::gpu_room(0, limit), whole);
  }
  std::string refusal(int64_t limit) {
    try {
      place(limit, /*whole=*/true);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }

  const std::filesystem::path path_ = test::shared_path("models/tiny-llama");
  const Workload workload_ = {.context = 40, .sequences = 2};
  device::Cpu cpu_{2};
  std::optional<model::Loaded> loaded_;
  std::optional<runtime::Planner> planner_;
};

TEST_F(GpuPlacement, RunsWithinExactlyWhatThePlanNeeds) {
  const int64_t layers = architecture().layers;
  const runtime::Placement placement = place(bytes_of(layers), /*whole=*/true);
  EXPECT_EQ(placement.gpu_layers, layers);
  EXPECT_EQ(loaded_->model.first_gpu_layer(), 0);
  run_workload(loaded_->model, cpu_, workload_, 16);
  EXPECT_EQ(device::gpu_use(0).limit_bytes, bytes_of(layers));
  // One sequence more has no pages.
  EXPECT_THROW(runtime::Session(loaded_->model, cpu_, 40, 3), Error);
}

TEST_F(GpuPlacement, RefusesAByteTooFewAndSaysWhatToDo) {
  const std::string refused = refusal(bytes_of(architecture().layers) - 1);
  for (const char* part : {"cuda:0", "KV cache", "--memory-limit", "--ctx-size", "--device auto"}) {
    EXPECT_NE(refused.find(part), std::string::npos) << part << ": " << refused;
  }
  EXPECT_FALSE(loaded_->model.on_gpu());
  EXPECT_NE(refusal(1 << 20).find("--device cpu"), std::string::npos);
}

TEST_F(GpuPlacement, MovesAsManyOfTheLastLayersAsFit) {
  const int64_t layers = architecture().layers;
  const runtime::Placement placement = place(bytes_of(layers) - 1, /*whole=*/false);
  EXPECT_EQ(placement.gpu_layers, layers - 1);
  EXPECT_EQ(loaded_->model.first_gpu_layer(), 1);
  EXPECT_LE(placement.gpu.bytes(), bytes_of(layers) - 1);
  run_workload(loaded_->model, cpu_, workload_, 16);
  EXPECT_EQ(device::gpu_use(0).most_bytes, bytes_of(layers - 1));
  const runtime::GpuRoom room = {.gpu = 0, .bytes = bytes_of(layers) - 1, .limited = true};
  EXPECT_TRUE(
      runtime::describe(placement, architecture(), room).starts_with("embeddings and layers 0"));
}

TEST_F(GpuPlacement, LeavesOnTheCpuWhatHasNoRoomAtAll) {
  const runtime::Placement placement = place(1 << 20, /*whole=*/false);
  EXPECT_EQ(placement.gpu_layers, 0);
  EXPECT_FALSE(loaded_->model.on_gpu());
  EXPECT_NE(placement.problem.find("not even one layer"), std::string::npos);
  run_workload(loaded_->model, cpu_, workload_, 16);
}

TEST_F(GpuPlacement, CountsWhatAnotherModelHasOfALimit) {
  model::Loaded other = model::load(cpu_, path_, test::with_method(Method::fp32));
  other.model.move_to_gpu(0);
  const int64_t needed = bytes_of(architecture().layers);
  const int64_t both = needed + device::gpu_use(0).bytes;
  EXPECT_EQ(runtime::gpu_room(0, both).bytes, needed);
  EXPECT_FALSE(refusal(both - 1).empty());
  EXPECT_TRUE(refusal(both).empty());
}

}  // namespace
}  // namespace octet

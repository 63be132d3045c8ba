// Plans agree with what a Session takes, and place whole layers as evenly as can be.
#include "runtime/plan.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "model/load/load.h"
#include "runtime/session.h"
#include "support/family_variant.h"
#include "support/temporary_directory.h"

namespace octet::runtime {
namespace {

constexpr Workload kWorkload = {.context = 100, .sequences = 3};

model::Architecture variant(const std::string& name) {
  const test::TemporaryDirectory directory;
  test::write_family_variant(name, directory.path());
  return model::describe(directory.path()).architecture;
}

/// A LLaMA shape with layers enough to place.
model::Architecture tall() {
  model::Architecture architecture = variant("llama_biases_linear");
  for (int i = 0; i < 9; ++i) {
    architecture.layer_names.push_back(architecture.layer_names.front());
    // Uneven ones, so that the best places are not the obvious ones.
    if (i % 3 == 0) architecture.layer_names.back().down.parts.front().outputs *= 5;
  }
  architecture.layers = std::ssize(architecture.layer_names);
  return architecture;
}

Planner planner_of(const model::Architecture& architecture) {
  return {architecture, model::shape_of(architecture, {})};
}

int64_t fullest(const std::vector<DevicePlan>& devices) {
  int64_t most = 0;
  for (const DevicePlan& device : devices) most = std::max(most, device.bytes());
  return most;
}

TEST(Planner, CountsWhatASessionTakes) {
  device::Cpu cpu(1);
  for (const char* name : {"llama_biases_linear", "t5_gated_silu"}) {
    const test::TemporaryDirectory directory;
    test::write_family_variant(name, directory.path());
    for (const linear::Method method : {linear::Method::fp32, linear::Method::bf16}) {
      model::LoadOptions options;
      options.precision.method = method;
      model::Loaded loaded = model::load(cpu, directory.path(), options);
      const Session session(loaded.model, cpu, kWorkload.context, kWorkload.sequences);
      const Planner planner(loaded.model.architecture(), model::shape_of(loaded.model));
      const DevicePlan device = planner.place(kWorkload, 1).front();
      EXPECT_EQ(device.weights_bytes, loaded.model.weights().bytes());
      EXPECT_EQ(device.kv_cache_bytes, session.kv_cache_bytes());
      EXPECT_TRUE(device.embeddings && device.head);
    }
  }
}

TEST(Planner, PlacesEverythingOnceAndInOrder) {
  for (const char* name : {"llama_biases_linear", "bloom_residual_after_norm", "t5_untied"}) {
    const Planner planner = planner_of(variant(name));
    const DevicePlan whole = planner.place(kWorkload, 1).front();
    for (int64_t count : {2, 3, 4, 9}) {
      const std::vector<DevicePlan> devices = planner.place(kWorkload, count);
      ASSERT_EQ(std::ssize(devices), count);
      int64_t layers = 0;
      int64_t weights = 0;
      int64_t cache = 0;
      for (const DevicePlan& device : devices) {
        if (device.layers > 0) {
          EXPECT_EQ(device.first_layer, layers);
        }
        layers += device.layers;
        weights += device.weights_bytes;
        cache += device.kv_cache_bytes;
      }
      EXPECT_EQ(layers, std::ssize(planner.weights().layers));
      // An lm_head that is the embedding is there twice.
      EXPECT_EQ(weights, whole.weights_bytes + planner.weights().shared_head.total());
      EXPECT_EQ(cache, whole.kv_cache_bytes);
      EXPECT_TRUE(devices.front().embeddings);
      EXPECT_FALSE(devices.front().head);
    }
  }
}

/// The lowest possible bytes of the fullest device: every way to cut `sizes` in up to `devices`.
int64_t best_by_trying(std::span<const int64_t> sizes, int64_t devices) {
  if (sizes.empty()) return 0;
  if (devices == 0) return std::numeric_limits<int64_t>::max();
  int64_t best = std::numeric_limits<int64_t>::max();
  int64_t first = 0;
  for (size_t count = 1; count <= sizes.size(); ++count) {
    first += sizes[count - 1];
    best = std::min(best, std::max(first, best_by_trying(sizes.subspan(count), devices - 1)));
  }
  return best;
}

TEST(Planner, LeavesTheFullestDeviceAsEmptyAsCanBe) {
  const model::Architecture architecture = tall();
  const Planner planner = planner_of(architecture);
  const int64_t units = architecture.layers + 2;
  const std::vector<DevicePlan> single = planner.place(kWorkload, 1);
  const int64_t logits = kWorkload.sequences * architecture.vocabulary_size * 4;
  const int64_t buffers = single.front().buffer_bytes - logits;
  const model::ModelBytes& weights = planner.weights();
  const int64_t cache = single.front().kv_cache_bytes / architecture.layers;
  std::vector<int64_t> sizes = {weights.embeddings.total()};
  for (const model::WeightBytes& layer : weights.layers) sizes.push_back(layer.total() + cache);
  sizes.push_back(weights.head.total() + weights.shared_head.total() + logits);
  ASSERT_EQ(std::ssize(sizes), units);
  for (int64_t devices = 2; devices <= 5; ++devices) {
    EXPECT_EQ(fullest(planner.place(kWorkload, devices)), buffers + best_by_trying(sizes, devices))
        << devices;
  }
}

TEST(Planner, NeedsAsManyDevicesAsPlacingThemShows) {
  const Planner planner = planner_of(tall());
  const int64_t whole = planner.place(kWorkload, 1).front().bytes();
  EXPECT_EQ(planner.devices_needed(kWorkload, whole), 1);
  EXPECT_EQ(planner.devices_needed(kWorkload, 100), std::nullopt);
  for (int64_t memory = whole / 10; memory < whole; memory += whole / 37) {
    const std::optional<int64_t> needed = planner.devices_needed(kWorkload, memory);
    if (!needed) continue;
    EXPECT_LE(fullest(planner.place(kWorkload, *needed)), memory);
    EXPECT_GT(fullest(planner.place(kWorkload, *needed - 1)), memory);
  }
  EXPECT_EQ(planner.devices_needed(kWorkload, whole - 1), 2);
}

TEST(Planner, FindsTheLargestWorkloadThatFits) {
  const Planner planner = planner_of(tall());
  const int64_t memory = planner.place({.context = 100, .sequences = 5}, 1).front().bytes();
  EXPECT_EQ(planner.most_sequences(100, 1, memory), 5);
  EXPECT_EQ(planner.most_sequences(100, 1, memory - 1), 4);
  const int64_t longest = planner.longest_context(5, 1, memory);
  EXPECT_LE(fullest(planner.place({.context = longest, .sequences = 5}, 1)), memory);
  EXPECT_GT(fullest(planner.place({.context = longest + 1, .sequences = 5}, 1)), memory);
  EXPECT_EQ(planner.most_sequences(100, 1, 100), 0);
  EXPECT_EQ(planner.longest_context(1, 1, int64_t{1} << 50), tall().max_positions);
}

TEST(Planner, StaysInRangeForAbsurdWorkloads) {
  const Planner planner = planner_of(tall());
  const Workload absurd = {.context = std::numeric_limits<int32_t>::max(), .sequences = 1 << 20};
  EXPECT_GT(fullest(planner.place(absurd, 2)), int64_t{1} << 45);
  EXPECT_EQ(planner.devices_needed(absurd, int64_t{1} << 30), std::nullopt);
}

}  // namespace
}  // namespace octet::runtime

// What is told of a model's size from its config is what loading packs and what a step leaves, for
// every family's variants.
#include "model/size.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/file.h"
#include "model/cpu_forward.h"
#include "model/load/load.h"
#include "support/family_variant.h"
#include "support/temporary_directory.h"

namespace octet::model {
namespace {

using linear::Method;
using linear::OutlierMode;

/// Random weights of the shape that a config of tests/families describes.
class Sized : public testing::TestWithParam<std::string> {
 protected:
  Loaded load(const LoadOptions& options) {
    const auto path = directory_.path() / "config.json";
    write_file(path, test::family_variants()["cases"][GetParam()]["config"].dump());
    return load_random(cpu_, path, options);
  }

  const test::TemporaryDirectory directory_;
  device::Cpu cpu_{1};
};

/// The columns that the search kept, by the layer's first weight.
std::map<std::string, int64_t> kept_columns(const Model& model) {
  std::map<std::string, int64_t> kept;
  const Architecture& a = model.architecture();
  for (const Stack stack : kStacks) {
    const std::vector<LayerNames>& names = a.names_of(stack);
    for (size_t i = 0; i < names.size(); ++i) {
      for (const LinearId id : linears_of(names[i])) {
        const linear::Linear& linear = linear_of(model.weights().layers_of(stack)[i], id);
        kept[linear_of(names[i], id).parts.front().weight] = linear.parts().kept_columns.size();
      }
    }
  }
  kept[a.names.lm_head] = model.weights().lm_head->parts().kept_columns.size();
  return kept;
}

SizeOptions size_options(const LoadOptions& options, const Model& model) {
  return {.precision = options.precision,
          .skip_modules = options.skip_modules,
          .kept_columns = [kept = kept_columns(model)](const LinearNames& names) {
            const auto found = kept.find(names.parts.front().weight);
            return found == kept.end() ? 0 : found->second;
          }};
}

std::vector<LoadOptions> load_options() {
  std::vector<LoadOptions> all(8);
  all[0].precision = {.method = Method::fp32, .activation_bits = 8};
  all[1].precision = {.method = Method::fp16, .activation_bits = 8};
  all[2].precision = {.method = Method::bf16, .activation_bits = 8};
  all[3].precision = {.method = Method::llm_int8};
  all[4].precision = {.method = Method::llm_int8, .outliers = OutlierMode::batch};
  all[5].precision = {.method = Method::llm_int8_zeropoint, .activation_bits = 8};
  all[6].precision = {.method = Method::llm_int8};
  all[6].skip_modules = {"none"};
  all[7].precision = {.method = Method::llm_int8, .threshold = 0};
  all[7].skip_modules = {"lm_head", "o_proj", "dense"};
  return all;
}

TEST_P(Sized, PackedBytesAreThoseOfTheLoadedModel) {
  for (const LoadOptions& options : load_options()) {
    const Loaded loaded = load(options);
    const ModelBytes bytes =
        packed_bytes(shape_of(loaded.model.architecture(), size_options(options, loaded.model)));
    EXPECT_EQ(packed_bytes(shape_of(loaded.model)).total(), bytes.total());
    EXPECT_EQ(bytes.total(), loaded.model.weights().bytes())
        << linear::name(options.precision.method) << ", "
        << linear::name(options.precision.outliers) << ", " << options.skip_modules.front();
    const bool shared = loaded.model.weights().lm_head == loaded.model.weights().token_embedding;
    EXPECT_EQ(bytes.shared_head.total(), shared ? loaded.model.weights().lm_head->bytes() : 0);
  }
}

int64_t bytes_of(const Scratch& scratch) {
  size_t bytes = 0;
  for (const auto* array : {&scratch.hidden, &scratch.normed, &scratch.qkv, &scratch.attention,
                            &scratch.up, &scratch.gathered, &scratch.computed, &scratch.mixed,
                            &scratch.expert_weights, &scratch.embedded, &scratch.cos, &scratch.sin,
                            &scratch.linear.row_max, &scratch.linear.leftover_max}) {
    bytes += array->bytes();
  }
  bytes += scratch.linear.first_code_row.size() * sizeof(int64_t) + scratch.linear.codes.bytes() +
           scratch.linear.planes.bytes();
  return static_cast<int64_t>(bytes);
}

/// The buffers of a prompt of which every fourth row has logits (after that of an encoder).
int64_t scratch_bytes(device::Cpu& cpu, const Model& model, int64_t rows) {
  const Architecture& a = model.architecture();
  KvCache cache(a, model.cache_type(), 2 * pages_for(rows));
  std::vector<int32_t> pages(static_cast<size_t>(cache.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  const Slice slice{.rows = rows,
                    .pages = pages.data(),
                    .source_pages = pages.data() + pages_for(rows),
                    .source_positions = rows};
  const Slice source{.rows = rows, .pages = slice.source_pages};
  std::vector<int32_t> tokens(static_cast<size_t>(rows));
  std::iota(tokens.begin(), tokens.end(), 1);
  std::vector<int64_t> wanted;
  for (int64_t row = 0; row < rows; row += 4) wanted.push_back(row);
  Step step{.tokens = tokens, .slices = {&slice, 1}, .logit_rows = wanted};
  Step source_step{.tokens = tokens, .slices = {&source, 1}, .logit_rows = {}};
  Scratch scratch;
  const device::FlushDenormals flush;
  if (a.encoder_decoder()) {
    CpuForwardPass encoder(cpu, a, model.weights(), source_step, cache, scratch, Stack::encoder);
    encoder.embed();
    for (int64_t i = 0; i < std::ssize(a.encoder_layer_names); ++i) encoder.layer(i, 0, {});
    encoder.finish_source();
    for (int64_t i = 0; i < a.layers; ++i) encoder.place_source(i, i, {});
  }
  CpuForwardPass pass(cpu, a, model.weights(), step, cache, scratch, Stack::decoder);
  pass.embed();
  for (int64_t i = 0; i < a.layers; ++i) pass.layer(i, i, {});
  std::vector<float> logits(wanted.size() * static_cast<size_t>(a.vocabulary_size));
  pass.logits({logits.data(), std::ssize(wanted), a.vocabulary_size});
  return bytes_of(scratch);
}

TEST_P(Sized, StepBytesAreTheBuffersAStepLeaves) {
  constexpr int64_t kRows = 40;
  for (const Method method : {Method::fp32, Method::fp16, Method::llm_int8}) {
    LoadOptions options;
    options.precision.method = method;
    const Loaded loaded = load(options);
    const int64_t told =
        step_bytes(loaded.model.architecture(), shape_of(loaded.model), kRows, kRows / 4);
    const int64_t used = scratch_bytes(cpu_, loaded.model, kRows);
    // An array that grows takes half as much again, and later may be large enough as it is.
    EXPECT_LE(told, used) << linear::name(method);
    EXPECT_GE(told * 3 / 2, used) << linear::name(method);
  }
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const auto& [name, variant] : test::family_variants()["cases"].items())
    names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Variants, Sized, testing::ValuesIn(names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace octet::model

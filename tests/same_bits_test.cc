// A sequence's logits are the same bits alone or in any batch, for any chunking of the prompt,
// thread count and instruction set.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "support/amx_emulator.h"
#include "support/family_variant.h"
#include "support/scoring.h"
#include "support/shared_data.h"
#include "support/tiny_model.h"

namespace octet {
namespace {

using linear::Method;
using linear::OutlierMode;
using test::Logits;

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

void expect_same_bits(const Logits& a, const Logits& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_TRUE(same_bits(a[i], b[i])) << what << ": position " << i << " differs";
  }
}

std::vector<int32_t> random_tokens(std::mt19937& random, size_t count, int64_t vocabulary) {
  std::uniform_int_distribution<int32_t> token(0, static_cast<int32_t>(vocabulary) - 1);
  std::vector<int32_t> tokens(count);
  for (int32_t& each : tokens) each = token(random);
  return tokens;
}

/// Runs several sequences through a random schedule of steps; returns each one's logits.
std::vector<Logits> random_schedule(model::Model& model, device::Cpu& cpu, std::mt19937& random,
                                    const std::vector<std::vector<int32_t>>& sequences,
                                    int activation_bits) {
  runtime::Session session(model, cpu, 512, static_cast<int64_t>(sequences.size()));
  std::vector<runtime::SequenceId> ids;
  for (size_t i = 0; i < sequences.size(); ++i) {
    ids.push_back(session.open());
    if (model.architecture().encoder_decoder())
      session.encode(ids[i], sequences[i], activation_bits);
  }
  std::vector<size_t> done(sequences.size(), 0);
  std::vector<Logits> logits(sequences.size());
  while (true) {
    std::vector<runtime::Feed> feeds;
    std::vector<size_t> fed;
    for (size_t i = 0; i < sequences.size(); ++i) {
      const size_t left = sequences[i].size() - done[i];
      if (left == 0 || random() % 3 == 0) continue;
      const size_t count = 1 + random() % std::min<size_t>(left, random() % 2 == 0 ? 1 : 9);
      feeds.push_back({.sequence = ids[i],
                       .tokens = std::span(sequences[i]).subspan(done[i], count),
                       .all_logits = true});
      fed.push_back(i);
    }
    if (feeds.empty()) {
      bool all = true;
      for (size_t i = 0; i < sequences.size(); ++i) all = all && done[i] == sequences[i].size();
      if (all) return logits;
      continue;
    }
    const auto rows = session.run(feeds, activation_bits);
    int64_t row = 0;
    for (size_t f = 0; f < feeds.size(); ++f) {
      for (size_t t = 0; t < feeds[f].tokens.size(); ++t, ++row) {
        logits[fed[f]].emplace_back(rows.row(row), rows.row(row) + rows.columns);
      }
      done[fed[f]] += feeds[f].tokens.size();
    }
  }
}

struct Case {
  std::string name;
  std::string family;  ///< of test::TinyModel, or a family variant
  std::string dtype;   ///< empty for variants
  model::LoadOptions options;
};

std::vector<Case> cases() {
  std::vector<Case> list;
  for (const char* family : {"llama", "gpt2", "opt"}) {
    const std::string base = family;
    list.push_back({base + "_kept16", base, "f16", test::with_method(Method::llm_int8, 16)});
    list.push_back({base + "_kept8", base, "bf16", test::with_method(Method::llm_int8, 8)});
  }
  list.push_back(
      {"llama_token8", "llama", "f16", test::with_method(Method::llm_int8, 8, OutlierMode::token)});
  list.push_back({"llama_token16", "llama", "f32",
                  test::with_method(Method::llm_int8, 16, OutlierMode::token)});
  list.push_back({"llama_fp32", "llama", "f32", test::with_method(Method::fp32)});
  list.push_back({"llama_bf16", "llama", "bf16", test::with_method(Method::bf16)});
  list.push_back({"opt_fp16", "opt", "f16", test::with_method(Method::fp16)});
  list.push_back({"llama_zeropoint_vectorwise", "llama", "f16",
                  test::with_method(Method::zeropoint_vectorwise, 8)});
  list.push_back({"llama_rowwise", "llama", "f16", test::with_method(Method::absmax_rowwise, 8)});
  model::LoadOptions head = test::with_method(Method::llm_int8, 16);
  head.skip_modules = {"none"};
  list.push_back({"llama_int8_head", "llama", "f16", head});
  for (const char* variant :
       {"bloom_residual_after_norm", "falcon_40b", "gemma2_wide_scores", "mixtral_3_of_5",
        "olmo2_groups", "stablelm_parallel_head_norms", "t5_gated_silu"}) {
    list.push_back({variant, variant, "", test::with_method(Method::llm_int8, 16)});
  }
  return list;
}

class SameBits : public testing::TestWithParam<Case> {};

TEST_P(SameBits, AloneInBatchesInChunksWithThreadsAndInstructionSets) {
  const Case& c = GetParam();
  const test::TemporaryDirectory directory;
  int64_t vocabulary = 97;
  if (c.dtype.empty()) {
    test::write_family_variant(c.family, directory.path());
    vocabulary = test::family_variants()["vocabulary"].get<int64_t>();
  } else {
    test::write_tiny_model({.family = c.family, .dtype = c.dtype, .outlier_gain = 20},
                           directory.path());
  }
  std::mt19937 random(7);
  std::vector<std::vector<int32_t>> sequences;
  for (size_t length : {70, 1, 33, 130, 8}) {
    sequences.push_back(random_tokens(random, length, vocabulary));
  }
  const int bits = c.options.precision.activation_bits;
  std::vector<Logits> expected;
  const test::AmxEmulator emulator;
  const device::CpuFeatures features = test::features_with_emulated_amx();
  for (const device::Isa isa : device::kIsas) {
    if (!features.has(isa)) continue;
    const uint64_t emulated_before = test::AmxEmulator::instructions();
    for (const int threads : {1, 2, 3}) {
      SCOPED_TRACE(std::string(device::name(isa)) + ", threads " + std::to_string(threads));
      device::Cpu cpu(threads, isa, features);
      model::Loaded loaded = model::load(cpu, directory.path(), c.options);
      if (expected.empty()) {
        for (const auto& sequence : sequences) {
          expected.push_back(test::all_logits(loaded.model, cpu, sequence, bits, 0, sequence));
        }
      }
      const auto& third = sequences[3];  // an encoder-decoder encodes what it decodes
      expect_same_bits(test::all_logits(loaded.model, cpu, third, bits, 0, third), expected[3],
                       "alone");
      expect_same_bits(test::all_logits(loaded.model, cpu, third, bits, 7, third), expected[3],
                       "chunks of 7");
      const auto batched = random_schedule(loaded.model, cpu, random, sequences, bits);
      for (size_t i = 0; i < sequences.size(); ++i) {
        expect_same_bits(batched[i], expected[i], "sequence " + std::to_string(i) + " in a batch");
      }
    }
    const bool emulated = emulator.emulating() && isa == device::Isa::amx &&
                          c.options.precision.method != Method::fp32;
    EXPECT_EQ(test::AmxEmulator::instructions() > emulated_before, emulated) << device::name(isa);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, SameBits, testing::ValuesIn(cases()),
                         [](const auto& tested) { return tested.param.name; });

class SameBitsSmolLM2 : public testing::TestWithParam<device::Isa> {};

TEST_P(SameBitsSmolLM2, AloneInABatchInChunksWithOneThreadAsWithTwoThreadsOfAvx2) {
  const auto path = test::smollm2_path();
  OCTET_REQUIRE_PATH(path);
  const device::Isa isa = GetParam();
  const test::AmxEmulator emulator;
  const device::CpuFeatures features = test::features_with_emulated_amx();
  if (!features.has(isa)) GTEST_SKIP() << "this CPU has no " << device::name(isa);
  const device::Isa other =
      features.has(device::Isa::avx2) ? device::Isa::avx2 : device::Isa::scalar;
  const std::vector<int32_t> prompt = {504, 3575, 282, 4649, 314, 7042, 30, 198, 198};
  // Slow, and the small models cover the rest.
  const bool emulated = isa == device::Isa::amx && emulator.emulating();
  const bool slow = isa == device::Isa::scalar || emulated;
  for (const int bits : {16, 8}) {
    if (emulated && bits == 8) continue;
    device::Cpu reference_cpu(2, other, features);
    model::Loaded reference =
        model::load(reference_cpu, path, test::with_method(Method::llm_int8, bits));
    const Logits expected = test::all_logits(reference.model, reference_cpu, prompt, bits);
    for (const int threads : {2, 1}) {
      if (slow && threads == 1) continue;
      SCOPED_TRACE("threads " + std::to_string(threads) + ", bits " + std::to_string(bits));
      device::Cpu cpu(threads, isa, features);
      model::Loaded loaded = model::load(cpu, path, test::with_method(Method::llm_int8, bits));
      expect_same_bits(test::all_logits(loaded.model, cpu, prompt, bits), expected, "alone");
      if (slow) continue;
      std::mt19937 random(3);
      const std::vector<std::vector<int32_t>> sequences = {random_tokens(random, 40, 49152), prompt,
                                                           random_tokens(random, 5, 49152)};
      const auto batched = random_schedule(loaded.model, cpu, random, sequences, bits);
      expect_same_bits(batched[1], expected, "in a batch, in chunks");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, SameBitsSmolLM2, testing::ValuesIn(device::kIsas),
                         [](const auto& tested) {
                           return std::string(device::name(tested.param));
                         });

}  // namespace
}  // namespace octet

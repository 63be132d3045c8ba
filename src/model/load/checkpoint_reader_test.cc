// The two ways to read a linear layer's rows, as float and from where they are stored, agree.
#include "model/load/checkpoint_reader.h"

#include <gtest/gtest.h>

#include <random>

#include "base/half.h"
#include "checkpoint/test_files.h"
#include "model/families/families.h"
#include "model/model.h"
#include "support/tiny_model.h"

namespace octet::model {
namespace {

using tensor::DType;

float element(DType type, const std::byte* row, int64_t i) {
  if (type == DType::f32) {
    float value;
    std::memcpy(&value, row + 4 * i, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, row + 2 * i, sizeof bits);
  return type == DType::f16 ? f16_to_float(bits) : bf16_to_float(bits);
}

/// Compares all rows of the layers' linear inputs; returns how many sources stored theirs.
int compare_rows(const CheckpointReader& reader) {
  const Architecture a = describe_architecture(reader.config());
  int stored = 0;
  for (const LinearId id : linears_of(a.layer_names.back())) {
    const LinearNames& names = linear_of(a.layer_names.back(), id);
    const linear::WeightSource source = reader.source(names, a.head_dim);
    if (!source.stored_row) continue;
    ++stored;
    std::vector<float> row(static_cast<size_t>(source.inputs));
    for (int64_t n = 0; n < source.outputs; ++n) {
      source.read_rows(n, 1, row.data());
      const std::byte* at = source.stored_row(n);
      for (int64_t i = 0; i < source.inputs; ++i) {
        EXPECT_EQ(element(source.stored_type, at, i), row[static_cast<size_t>(i)])
            << name(id) << ", row " << n << ", element " << i;
      }
    }
  }
  return stored;
}

TEST(CheckpointReader, RowsOfPlainTensorsAreTakenFromTheFile) {
  for (const char* dtype : {"f32", "f16", "bf16"}) {
    const test::TemporaryDirectory directory;
    test::write_tiny_model({.dtype = dtype}, directory.path());
    const auto checkpoint = checkpoint::Checkpoint::open(directory.path());
    EXPECT_EQ(compare_rows(CheckpointReader(*checkpoint)), 4) << dtype;
  }
}

TEST(CheckpointReader, TransposedTensorsHaveNoRowsToTake) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({.family = "gpt2"}, directory.path());
  const auto checkpoint = checkpoint::Checkpoint::open(directory.path());
  EXPECT_EQ(compare_rows(CheckpointReader(*checkpoint)), 0);
}

/// One layer with hidden size 32, two heads, and a feed-forward part of 64; element types by
/// tensor.
std::string gguf_file(uint32_t type, uint32_t gate_type) {
  using checkpoint::GgufType;
  checkpoint::test::GgufBuilder builder;
  builder.string("general.architecture", "llama");
  const auto integer = [&](const std::string& key, uint32_t value) {
    builder.value("llama." + key, GgufType::u32, value);
  };
  integer("embedding_length", 32);
  integer("block_count", 1);
  integer("attention.head_count", 2);
  integer("feed_forward_length", 64);
  integer("context_length", 64);
  builder.value("llama.attention.layer_norm_rms_epsilon", GgufType::f32, 1e-5f);
  std::mt19937 random(1);
  const auto matrix = [&](const std::string& name, uint64_t outputs, uint64_t inputs,
                          uint32_t element) {
    std::string content;
    for (uint64_t i = 0; i < outputs * inputs; ++i) {
      const float value = static_cast<float>(random() % 2000) / 1000 - 1;
      content +=
          element == 0 ? checkpoint::test::raw(value) : checkpoint::test::raw(float_to_f16(value));
    }
    builder.tensor(name, {inputs, outputs}, element, content);
  };
  matrix("token_embd.weight", 40, 32, type);
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
    matrix(std::string("blk.0.") + name + ".weight", 32, 32, type);
  }
  matrix("blk.0.ffn_gate.weight", 64, 32, gate_type);
  matrix("blk.0.ffn_up.weight", 64, 32, type);
  matrix("blk.0.ffn_down.weight", 32, 64, type);
  return builder.build();
}

TEST(CheckpointReader, GgufRowsAreTakenInTheOrderOfHuggingFace) {
  constexpr uint32_t kF32 = 0;
  constexpr uint32_t kF16 = 1;
  const checkpoint::test::Scratch scratch;
  for (uint32_t type : {kF32, kF16}) {
    const auto file = scratch.write("model.gguf", gguf_file(type, type));
    EXPECT_EQ(compare_rows(CheckpointReader(*checkpoint::Checkpoint::open(file))), 4);
  }
  // Gate and up are one layer: of two types, it is read as float.
  const auto mixed = scratch.write("mixed.gguf", gguf_file(kF16, kF32));
  EXPECT_EQ(compare_rows(CheckpointReader(*checkpoint::Checkpoint::open(mixed))), 3);
}

}  // namespace
}  // namespace octet::model

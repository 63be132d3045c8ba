// GGUF files as Hugging Face checkpoints: names old and new, parts of tensors, what is refused.
#include "model/load/gguf/model.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "checkpoint/decode.h"
#include "checkpoint/test_files.h"
#include "model/families/families.h"

namespace octet::model {
namespace {

using checkpoint::GgufType;
using checkpoint::test::error_of;
using checkpoint::test::GgufBuilder;
using checkpoint::test::raw;
using nlohmann::json;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ8_0 = 8;

/// A file in memory with what reads it.
struct File {
  explicit File(const GgufBuilder& builder)
      : bytes(builder.build()),
        gguf(checkpoint::parse_gguf(checkpoint::test::as_bytes(bytes), "model.gguf")) {}
  GgufModel model() const { return {gguf, "model.gguf"}; }

  std::string bytes;
  checkpoint::Gguf gguf;
};

GgufBuilder architecture(const std::string& name) {
  GgufBuilder builder;
  builder.string("general.architecture", name);
  return builder;
}

/// Sizes of a model with one layer of two heads.
GgufBuilder sized(const std::string& name) {
  GgufBuilder builder = architecture(name);
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, uint32_t>>{{"embedding_length", 8},
                                                     {"block_count", 1},
                                                     {"attention.head_count", 2},
                                                     {"feed_forward_length", 12},
                                                     {"context_length", 16}}) {
    builder.value(name + "." + key, GgufType::u32, value);
  }
  return builder;
}

void add_counted(GgufBuilder& builder, const std::string& name,
                 const std::vector<uint64_t>& extents) {
  size_t count = 1;
  for (const uint64_t extent : extents) count *= extent;
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  builder.tensor(name, extents, kF32, raw(values));
}

std::vector<float> values_of(const tensor::View& view) {
  std::vector<float> values(static_cast<size_t>(view.elements()));
  checkpoint::decode_rows(view, 0, checkpoint::row_count(view), values.data());
  return values;
}

TEST(GgufModel, RowsOfAHeadGoFromPairsToHalves) {
  // Head dimension 4: GGUF keeps (0, 2, 1, 3) of Hugging Face's rows.
  const std::vector<int64_t> expected = {0, 2, 1, 3, 4, 6, 5, 7};
  for (int64_t row = 0; row < 8; ++row) {
    EXPECT_EQ(paired_row(row, 4), expected[static_cast<size_t>(row)]);
  }
}

TEST(GgufModel, NamesFollowTheLayers) {
  GgufBuilder builder = architecture("llama");
  add_counted(builder, "blk.12.attn_q.weight", {2, 2});
  add_counted(builder, "blk.0.attn_norm.weight", {2});
  const File file(builder);
  const GgufModel model = file.model();
  EXPECT_TRUE(model.find("model.layers.12.self_attn.q_proj.weight"));
  EXPECT_TRUE(model.find("model.layers.0.input_layernorm.weight"));
  for (const char* name : {"model.layers.1.input_layernorm.weight", "model.layers.12.weight",
                           "model.layers.x.input_layernorm.weight", "blk.0.attn_norm.weight",
                           "model.layers.0.input_layernorm.bias", "model.layers.0.input_layernorm",
                           "model.layers.0.input_layernorm.more.weight", "", ".weight"}) {
    EXPECT_FALSE(model.find(name)) << name;
  }
  EXPECT_TRUE(model.rows_are_paired("model.layers.12.self_attn.q_proj.weight"));
  EXPECT_FALSE(model.rows_are_paired("model.layers.12.self_attn.v_proj.weight"));
}

TEST(GgufModel, ExpertsAreMembersOfAStackOrTensorsOfTheirOwn) {
  GgufBuilder builder = architecture("llama");
  add_counted(builder, "blk.0.ffn_gate_exps.weight", {2, 3, 4});
  add_counted(builder, "blk.0.ffn_up.1.weight", {2, 3});
  // Two experts of one row of blocks, scales 1 and 2, codes 3 and 5.
  std::string blocks;
  for (const uint16_t scale : {uint16_t{0x3c00}, uint16_t{0x4000}}) {
    blocks += raw(scale) + std::string(32, scale == 0x3c00 ? '\3' : '\5');
  }
  builder.tensor("blk.0.ffn_down_exps.weight", {32, 1, 2}, kQ8_0, blocks);
  const File file(builder);
  const GgufModel model = file.model();
  const std::string experts = "model.layers.0.block_sparse_moe.experts.";
  EXPECT_EQ(values_of(model.at(experts + "3.w1.weight", {3, 2})),
            (std::vector<float>{18, 19, 20, 21, 22, 23}));
  EXPECT_EQ(values_of(model.at(experts + "1.w3.weight", {3, 2})),
            (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values_of(model.at(experts + "1.w2.weight", {1, 32})), std::vector<float>(32, 10));
  EXPECT_FALSE(model.find(experts + "4.w1.weight"));
  EXPECT_FALSE(model.find(experts + "0.w3.weight"));
  EXPECT_NE(error_of([&] {
              model.at(experts + "4.w1.weight", {3, 2});
            }).find("ffn_gate_exps"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              model.at(experts + "0.w1.weight", {2, 3});
            }).find("[3, 2]"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              model.at(experts + "0.w3.weight", {2, 3});
            }).find("ffn_up_exps"),
            std::string::npos);
}

TEST(GgufModel, OldPhiFilesHaveQueriesKeysAndValuesInOne) {
  GgufBuilder builder = architecture("phi2");
  add_counted(builder, "blk.0.attn_qkv.weight", {1, 6});
  add_counted(builder, "blk.0.attn_qkv.bias", {6});
  add_counted(builder, "blk.1.attn_qkv.weight", {1, 5});
  const File file(builder);
  const GgufModel model = file.model();
  const std::string attention = "model.layers.0.self_attn.";
  EXPECT_EQ(values_of(model.at(attention + "q_proj.weight", {2, 1})), (std::vector<float>{0, 1}));
  EXPECT_EQ(values_of(model.at(attention + "k_proj.weight", {2, 1})), (std::vector<float>{2, 3}));
  EXPECT_EQ(values_of(model.at(attention + "v_proj.bias", {2})), (std::vector<float>{4, 5}));
  EXPECT_FALSE(model.find("model.layers.1.self_attn.q_proj.weight"));
}

TEST(GgufModel, ArchitecturesThatAreNotReadAreNamedWithThoseThatAre) {
  const auto message = [](const char* name) {
    const File file(architecture(name));
    return error_of([&] { file.model(); });
  };
  EXPECT_NE(message("mamba").find("'mamba' is not known to octet (known: bloom, falcon, gemma"),
            std::string::npos)
      << message("mamba");
  EXPECT_NE(message("gptj").find("Hugging Face directories"), std::string::npos);
  const File none{GgufBuilder()};
  EXPECT_NE(error_of([&] { none.model(); }).find("general.architecture"), std::string::npos);
  for (const GgufArchitecture& each : gguf_architectures()) {
    for (const std::string_view type : each.model_types) {
      EXPECT_TRUE(std::ranges::any_of(families(), [&](const Family& family) {
        return family.model_type == type;
      })) << type;
    }
  }
}

TEST(GgufModel, MetadataThatChangeTheResultAreNeverIgnored) {
  const auto message = [](const char* key, float value) {
    GgufBuilder builder = sized("llama");
    builder.value(std::string("llama.") + key, GgufType::f32, value);
    const File file(builder);
    return error_of([&] { file.model().config(); });
  };
  for (const char* key : {"logit_scale", "attention.clamp_kqv", "attn_logit_softcapping",
                          "rope.scaling.yarn_log_multiplier", "expert_shared_count"}) {
    EXPECT_NE(message(key, 0.5f).find(key), std::string::npos) << key;
  }
  GgufBuilder builder = sized("llama");
  builder.value("llama.attention.causal", GgufType::boolean, uint8_t{0});
  const File encoder(builder);
  EXPECT_NE(error_of([&] { encoder.model().config(); }).find("causal"), std::string::npos);
  GgufBuilder wide = sized("llama");
  wide.value("llama.attention.key_length", GgufType::u32, uint32_t{4});
  wide.value("llama.attention.value_length", GgufType::u32, uint32_t{8});
  const File differing(wide);
  EXPECT_NE(error_of([&] { differing.model().config(); }).find("value_length"), std::string::npos);
}

TEST(GgufModel, TensorsThatNoOptionExplainsAreNeverIgnored) {
  GgufBuilder builder = sized("bloom");
  add_counted(builder, "token_embd.weight", {8, 5});
  add_counted(builder, "blk.0.ffn_down.weight", {12, 8});
  add_counted(builder, "blk.0.attn_q_norm.weight", {4});
  const File file(builder);
  const GgufModel model = file.model();
  const json object = model.config();
  EXPECT_EQ(object["vocab_size"], 5);
  const Config config(object, "model.gguf",
                      [&](const std::string& name) { return model.find(name).has_value(); });
  const Architecture described = describe_architecture(config);
  EXPECT_NE(error_of([&] { model.require_all_used(described); }).find("'blk.0.attn_q_norm.weight'"),
            std::string::npos);
}

TEST(GgufModel, ConfigsSayWhatConvertersLeaveToTensorsAndDefaults) {
  const auto config = [](const GgufBuilder& builder) { return File(builder).model().config(); };
  GgufBuilder window = sized("llama");
  window.value("llama.attention.sliding_window", GgufType::u32, uint32_t{6});
  EXPECT_EQ(config(window)["model_type"], "mistral");
  GgufBuilder no_window = sized("phi3");
  no_window.value("phi3.attention.sliding_window", GgufType::u32, uint32_t{0});
  EXPECT_TRUE(config(no_window)["sliding_window"].is_null());
  GgufBuilder experts = sized("llama");
  experts.value("llama.expert_count", GgufType::u32, uint32_t{8});
  EXPECT_EQ(config(experts)["model_type"], "mixtral");
  GgufBuilder old = sized("llama");
  old.value("llama.rope.scale_linear", GgufType::f32, 4.0f);
  EXPECT_EQ(config(old)["rope_parameters"]["rope_type"], "linear");
  EXPECT_EQ(config(old)["rope_parameters"]["factor"], 4.0);
  // Converters write 4 · 8 for GPT-2.
  GgufBuilder narrow = sized("gpt2");
  add_counted(narrow, "blk.0.ffn_down.weight", {20, 8});
  EXPECT_EQ(config(narrow)["n_inner"], 20);
  // Of 46 layers: Gemma 2 27B, whose scale is not its head dimension's.
  GgufBuilder gemma = architecture("gemma2");
  gemma.value("gemma2.block_count", GgufType::u32, uint32_t{46});
  gemma.value("gemma2.embedding_length", GgufType::u32, uint32_t{4608});
  gemma.value("gemma2.attention.head_count", GgufType::u32, uint32_t{32});
  gemma.value("gemma2.attention.key_length", GgufType::u32, uint32_t{128});
  EXPECT_EQ(config(gemma)["query_pre_attn_scalar"], 144);
}

TEST(GgufModel, RotaryDimensionsComeOutWhole) {
  for (uint32_t head_dim = 2; head_dim <= 256; head_dim += 2) {
    for (uint32_t rotary = 2; rotary <= head_dim; rotary += 2) {
      GgufBuilder builder = architecture("stablelm");
      builder.value("stablelm.attention.key_length", GgufType::u32, head_dim);
      builder.value("stablelm.rope.dimension_count", GgufType::u32, rotary);
      const File file(builder);
      const json object = file.model().config();
      const Config config(object, "model.gguf", [](const std::string&) { return true; });
      ASSERT_EQ(config.rotary_dim(head_dim), rotary) << head_dim;
    }
  }
}

}  // namespace
}  // namespace octet::model

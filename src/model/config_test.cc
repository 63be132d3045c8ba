// Reading a model's configuration: both spellings, and clear errors for what is wrong.
#include "model/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "model/families/families.h"
#include "octet/error.h"

namespace octet::model {
namespace {

using nlohmann::json;

json llama_config() {
  return {{"model_type", "llama"},    {"vocab_size", 100},
          {"hidden_size", 64},        {"num_hidden_layers", 2},
          {"num_attention_heads", 4}, {"num_key_value_heads", 2},
          {"intermediate_size", 128}, {"max_position_embeddings", 64},
          {"hidden_act", "silu"}};
}

Architecture describe(const json& object) {
  return describe_architecture(
      Config(object, "config.json", [](const std::string&) { return true; }));
}

std::string message_of(const json& object) {
  try {
    describe(object);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Config, DescribesLlamaWithItsDefaults) {
  const Architecture a = describe(llama_config());
  EXPECT_EQ(a.head_dim, 16);
  EXPECT_EQ(a.kv_heads, 2);
  EXPECT_EQ(a.layer_names.size(), 2u);
  EXPECT_EQ(a.layer_names[1].qkv.outputs(), 64 + 2 * 32);
  EXPECT_EQ(a.layer_names[1].qkv.parts[1].weight, "model.layers.1.self_attn.k_proj.weight");
  // 2·(vocabulary) + layers·(q, k, v, o, gate, up, down + norms) + final norm
  EXPECT_EQ(a.parameters(), 2 * 100 * 64 + 2 * (64 * 128 + 64 * 64 + 3 * 64 * 128 + 2 * 64) + 64);
  EXPECT_EQ(a.linear_parameters(), 2 * (64 * 128 + 64 * 64 + 3 * 64 * 128));
}

TEST(Config, NamesWhatIsWrong) {
  EXPECT_NE(message_of({{"model_type", "mamba"}}).find("known: bloom, falcon, gemma, gemma2, gpt2"),
            std::string::npos);
  EXPECT_NE(message_of(json::object()).find("\"model_type\""), std::string::npos);
  EXPECT_NE(message_of(json::array()).find("not a JSON object"), std::string::npos);
  for (const json& bad : {json(-1), json(0), json(1.5), json("64"), json(1e12), json::array()}) {
    json object = llama_config();
    object["hidden_size"] = bad;
    EXPECT_NE(message_of(object).find("\"hidden_size\""), std::string::npos) << bad;
  }
  json object = llama_config();
  object["num_hidden_layers"] = 1 << 30;
  EXPECT_NE(message_of(object).find("1073741824 layers"), std::string::npos);
  object = llama_config();
  object["hidden_act"] = "snake";
  EXPECT_NE(message_of(object).find("snake"), std::string::npos);
  object = llama_config();
  object["num_key_value_heads"] = 3;
  EXPECT_NE(message_of(object).find("share"), std::string::npos);
  object = llama_config();
  object["rope_scaling"] = {{"rope_type", "spiral"}, {"factor", 2}};
  EXPECT_NE(message_of(object).find("spiral"), std::string::npos);
  object["rope_scaling"] = {{"rope_type", "linear"}};
  EXPECT_NE(message_of(object).find("factor"), std::string::npos);
}

TEST(Config, NamesEveryFamilyWhenItsTypeIsUnknown) {
  const std::string message = message_of({{"model_type", "mamba"}});
  for (const Family& family : families()) {
    EXPECT_NE(message.find(family.model_type), std::string::npos) << family.model_type;
  }
}

/// A config of that family with one option changed.
json changed(const char* model_type, const char* key, const json& value) {
  json object = llama_config();
  object["model_type"] = model_type;
  object["ffn_dim"] = 128;  // XGLM's name
  object[key] = value;
  return object;
}

TEST(Config, NamesOptionsThatItsFamilyDoesNotSupport) {
  struct Case {
    json config;
    const char* named;
  };
  json mpt = {{"model_type", "mpt"}, {"vocab_size", 100}, {"d_model", 64},
              {"n_heads", 4},        {"n_layers", 2},     {"attn_config", {{"alibi", false}}}};
  json neo = {{"model_type", "gpt_neo"},
              {"vocab_size", 100},
              {"hidden_size", 64},
              {"num_layers", 2},
              {"num_heads", 4},
              {"max_position_embeddings", 64},
              {"attention_types", json::parse(R"([[["global", "sparse"], 1]])")}};
  json t5 = {{"model_type", "t5"}, {"vocab_size", 100},
             {"d_model", 64},      {"d_kv", 16},
             {"num_layers", 2},    {"num_heads", 4},
             {"d_ff", 64},         {"feed_forward_proj", "gated-snake"}};
  for (const Case& c : {
           Case{changed("llama", "rope_scaling", {{"type", "dynamic"}, {"factor", 0.5}}), "0.5"},
           Case{changed("llama", "rope_parameters",
                        {{"full_attention", {{"rope_theta", 1e6}, {"rope_type", "default"}}}}),
                "full_attention"},
           Case{changed("qwen2", "rope_scaling", {{"mrope_section", {16, 24, 24}}}),
                "mrope_section"},
           Case{changed("xglm", "add_cross_attention", true), "add_cross_attention"},
           Case{changed("gpt_bigcode", "add_cross_attention", true), "add_cross_attention"},
           Case{changed("llama", "rope_scaling", {{"type", "proportional"}, {"factor", 2.0}}),
                "proportional"},
           Case{changed("llama", "rope_scaling", {{"type", "longrope"}, {"long_factor", {1.0}}}),
                "short_factor"},
           Case{changed("llama", "rope_scaling", {{"type", "linear"}, {"factor", 0.0}}), "factor"},
           Case{changed("stablelm", "partial_rotary_factor", 1.5), "partial_rotary_factor"},
           Case{changed("mistral", "sliding_window", -3), "sliding_window"},
           Case{changed("qwen3", "hidden_act", "mish"), "mish"},
           Case{changed("gemma", "use_bidirectional_attention", true),
                "use_bidirectional_attention"},
           Case{changed("mixtral", "num_experts_per_tok", 9), "9 of 8 experts"},
           Case{mpt, "alibi"},
           Case{neo, "sparse"},
           Case{t5, "snake"},
       }) {
    EXPECT_NE(message_of(c.config).find(c.named), std::string::npos)
        << c.named << ": " << message_of(c.config);
  }
  json windows = changed("qwen2", "layer_types", {"full_attention", "linear_attention"});
  windows["use_sliding_window"] = true;
  windows["sliding_window"] = 8;
  EXPECT_NE(message_of(windows).find("linear_attention"), std::string::npos);
}

TEST(Config, OptionsThatAreNullAreOffAndAbsentOnesHaveTheirFamilysDefault) {
  json object = changed("gemma2", "head_dim", 16);
  EXPECT_EQ(describe(object).attention_softcap, 50);
  EXPECT_EQ(describe(object).layer_windows, (std::vector<int64_t>{4096, 0}));
  object["attn_logit_softcapping"] = nullptr;
  object["sliding_window"] = nullptr;
  EXPECT_EQ(describe(object).attention_softcap, 0);
  EXPECT_TRUE(describe(object).layer_windows.empty());
}

TEST(Config, LongropeChoosesItsFrequenciesByTheContext) {
  json object = changed("phi3", "original_max_position_embeddings", 16);
  const std::vector<double> ones(8, 1.0);
  const std::vector<double> fours(8, 4.0);
  object["rope_scaling"] = {{"type", "su"}, {"short_factor", ones}, {"long_factor", fours}};
  const Rope rope = describe(object).rope;
  std::vector<float> unused;
  EXPECT_EQ(rope.frequencies(16, unused)[0], 1.0f);
  EXPECT_EQ(rope.frequencies(17, unused)[0], 0.25f);
  // √(1 + ln(64/16) / ln 16)
  EXPECT_FLOAT_EQ(rope.attention_factor, static_cast<float>(std::sqrt(1.5)));
}

TEST(Config, DynamicRopeStretchesItsBaseByTheContext) {
  const Rope rope =
      describe(changed("llama", "rope_scaling", {{"type", "dynamic"}, {"factor", 4.0}})).rope;
  std::vector<float> storage;
  for (const int64_t context : {0, 1, 64}) {
    const auto usual = rope.frequencies(context, storage);
    EXPECT_TRUE(std::ranges::equal(usual, describe(llama_config()).rope.inverse_frequencies));
  }
  // Twice the 64 positions of training: the base grows by (4·2 − 3)^(16/14).
  const auto stretched = rope.frequencies(128, storage);
  ASSERT_EQ(stretched.size(), 8u);
  for (int i = 0; i < 8; ++i) {
    const double base = 10000 * std::pow(5.0, 16.0 / 14.0);
    EXPECT_FLOAT_EQ(stretched[static_cast<size_t>(i)],
                    static_cast<float>(std::pow(base, -i / 8.0)));
  }
}

TEST(Config, ReadsRopeInBothSpellings) {
  json old_spelling = llama_config();
  old_spelling["rope_theta"] = 500000.0;
  old_spelling["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  json new_spelling = llama_config();
  new_spelling["rope_parameters"] = {
      {"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 500000.0}};
  const auto a = describe(old_spelling).rope.inverse_frequencies;
  EXPECT_EQ(a, describe(new_spelling).rope.inverse_frequencies);
  ASSERT_EQ(a.size(), 8u);
  EXPECT_EQ(a[0], 0.25f);
  json factors = llama_config();
  factors["rope_theta"] = 500000.0;
  factors["rope_scaling"] = {{"rope_type", "factors"},
                             {"factors", {4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0}}};
  EXPECT_EQ(a, describe(factors).rope.inverse_frequencies);
}

TEST(Config, ReadsEndTokensAsOneOrSeveral) {
  json object = llama_config();
  EXPECT_TRUE(describe(object).end_tokens.empty());
  object["eos_token_id"] = 7;
  EXPECT_EQ(describe(object).end_tokens, std::vector<int32_t>{7});
  object["eos_token_id"] = {7, 9};
  EXPECT_EQ(describe(object).end_tokens, (std::vector<int32_t>{7, 9}));
  object["eos_token_id"] = "two";
  EXPECT_NE(message_of(object).find("eos_token_id"), std::string::npos);
}

}  // namespace
}  // namespace octet::model

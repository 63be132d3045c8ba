// Reading a model's configuration: both spellings, and clear errors for what is wrong.
#include "model/config.h"

#include <gtest/gtest.h>

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

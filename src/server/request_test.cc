// Requests: what their fields mean, and which are refused.
#include "server/request.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "server/api_error.h"

namespace octet::server {
namespace {

/// The field that a completion is refused for.
std::string refused_for(std::string_view body) {
  try {
    parse_completion(body);
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 400);
    return error.param.empty() ? "the body" : error.param;
  }
  return "nothing";
}

TEST(Request, DefaultsAreOpenAis) {
  const CompletionRequest request = parse_completion(R"({"prompt": "a"})");
  EXPECT_EQ(request.max_tokens, 16);
  EXPECT_EQ(request.choices, 1);
  EXPECT_EQ(request.sampling.temperature, 1);
  EXPECT_EQ(request.sampling.top_p, 1);
  EXPECT_EQ(request.sampling.top_k, 0);
  EXPECT_EQ(request.sampling.min_p, 0);
  EXPECT_FALSE(request.has_seed || request.stream || request.echo || request.logprobs);
  EXPECT_FALSE(parse_chat(R"({"messages": [{"role": "user", "content": "a"}]})").max_tokens);
}

TEST(Request, HasAtMost4096Messages) {
  const auto messages = [](size_t count) {
    std::string list;
    for (size_t i = 0; i < count; ++i)
      list += fmt::format(R"({}{{"role": "user", "content": "a"}})", i > 0 ? "," : "");
    return fmt::format(R"({{"messages": [{}]}})", list);
  };
  EXPECT_NO_THROW(parse_chat(messages(4096)));
  EXPECT_THROW(parse_chat(messages(4097)), ApiError);
}

TEST(Request, BiasesAreAnObjectOfTokenIds) {
  const CompletionRequest request =
      parse_completion(R"({"prompt": "a", "logit_bias": {"7": -100, "50256": 1.5}})");
  EXPECT_EQ(request.sampling.logit_bias,
            (std::vector<std::pair<int32_t, float>>{{7, -100}, {50256, 1.5}}));
  for (const char* bias : {"5", "[]", R"({"": 1})", R"({"-1": 1})", R"({"1.5": 1})",
                           R"({"99999999999": 1})", R"({"1": "2"})", R"({"1": 101})"}) {
    EXPECT_THROW(parse_completion(fmt::format(R"({{"prompt": "a", "logit_bias": {}}})", bias)),
                 ApiError)
        << bias;
  }
}

TEST(Request, NullCountsAsAbsent) {
  const CompletionRequest request = parse_completion(
      R"({"prompt": "a", "max_tokens": null, "stop": null, "seed": null, "stream": null,
          "logit_bias": null, "logprobs": null})");
  EXPECT_EQ(request.max_tokens, 16);
  EXPECT_FALSE(request.has_seed);
}

TEST(Request, PromptsHaveFourForms) {
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(parse_completion(R"({"prompt": "a"})").prompts, std::vector<Prompt>{"a"});
  EXPECT_EQ(parse_completion(R"({"prompt": [1, 2]})").prompts, (std::vector<Prompt>{Ids{1, 2}}));
  EXPECT_EQ(parse_completion(R"({"prompt": ["a", "b"]})").prompts, (std::vector<Prompt>{"a", "b"}));
  EXPECT_EQ(parse_completion(R"({"prompt": [[1], "b", [2, 3]]})").prompts,
            (std::vector<Prompt>{Ids{1}, "b", Ids{2, 3}}));
  for (const char* prompt : {"[]", "5", "{}", "[1, \"a\"]", "[[]]", "[1.5]", "[4294967296]", "[-1]",
                             "[[[1]]]", "[true]", "null"})
    EXPECT_EQ(refused_for(std::string(R"({"prompt": )") + prompt + "}"), "prompt") << prompt;
}

TEST(Request, NumbersOutOfRangeDoNotWrapAround) {
  for (const char* number : {"18446744073709551615", "9223372036854775808", "-1", "1e30", "5.0",
                             "1073741825", "\"5\"", "true", "[]"})
    EXPECT_EQ(refused_for(std::string(R"({"prompt": "a", "max_tokens": )") + number + "}"),
              "max_tokens")
        << number;
  EXPECT_EQ(refused_for(R"({"prompt": "a", "temperature": 1e999})"), "the body");
  EXPECT_EQ(parse_completion(R"({"prompt": "a", "seed": -1})").sampling.seed, UINT64_MAX);
}

TEST(Request, UnknownFieldsAreRefused) {
  EXPECT_EQ(refused_for(R"({"prompt": "a", "colour": 1})"), "colour");
  EXPECT_EQ(refused_for(R"({"prompt": "a", "user": "me"})"), "nothing");
}

TEST(Request, BodiesThatAreNoObjectAreRefused) {
  for (const char* body : {"", "{", "[]", "null", "\"a\"", "{\"a\":1}}", "{\"prompt\": \"\xff\"}",
                           "{\"prompt\": \"\\ud800\"}", "{'prompt': 1}", "{\"prompt\": 1,}"})
    EXPECT_EQ(refused_for(body), "the body") << body;
  const std::string deep(1'000'000, '[');
  EXPECT_EQ(refused_for(deep), "the body");
  EXPECT_EQ(refused_for("{\"prompt\": " + deep), "the body");
}

TEST(Request, ScoringNeedsEcho) {
  EXPECT_EQ(refused_for(R"({"prompt": "a", "max_tokens": 0})"), "max_tokens");
  EXPECT_EQ(refused_for(R"({"prompt": "a", "max_tokens": 0, "echo": true})"), "nothing");
}

TEST(Request, PartsOfContentBecomeOneText) {
  const ChatRequest request = parse_chat(
      R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"},
                                                    {"type": "text", "text": "b"}]}]})");
  EXPECT_EQ(request.messages, R"([{"role":"user","content":"ab"}])");
}

TEST(Request, TokenizeHasBothNamesOfItsText) {
  EXPECT_EQ(parse_tokenize(R"({"content": "a"})").text, "a");
  EXPECT_EQ(parse_tokenize(R"({"prompt": "a", "add_special_tokens": true})").text, "a");
  EXPECT_THROW(parse_tokenize(R"({"text": "a"})"), ApiError);
  EXPECT_THROW(parse_tokenize(R"({"content": "a", "prompt": {}})"), ApiError);
  EXPECT_EQ(parse_detokenize(R"({"tokens": [1, 2]})"), (std::vector<int32_t>{1, 2}));
  EXPECT_THROW(parse_detokenize(R"({"tokens": "a"})"), ApiError);
}

TEST(ApiErrors, AreOpenAisObject) {
  EXPECT_EQ(
      error_json(ApiError(400, "a \"b\" \xff", "n")),
      "{\"error\":{\"message\":\"a \\\"b\\\" \xEF\xBF\xBD\",\"type\":\"invalid_request_error\","
      "\"param\":\"n\",\"code\":null}}");
}

}  // namespace
}  // namespace octet::server

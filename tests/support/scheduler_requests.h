// What the tests of the scheduler share: a tiny model, requests, and their results alone.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "base/file.h"
#include "model/load/load.h"
#include "runtime/scheduler.h"
#include "support/scoring.h"
#include "support/tiny_model.h"

namespace octet::test {

/// All that a stream said.
struct Answer {
  std::vector<int32_t> tokens;
  std::vector<runtime::TokenEvent> events;
  runtime::PromptEvent prompt;
  runtime::EndEvent end;
};

inline Answer read_all(runtime::Stream& stream) {
  Answer answer;
  for (;;) {
    runtime::Event event = stream.next();
    if (auto* token = std::get_if<runtime::TokenEvent>(&event)) {
      answer.tokens.push_back(token->token);
      answer.events.push_back(std::move(*token));
    } else if (auto* prompt = std::get_if<runtime::PromptEvent>(&event)) {
      answer.prompt = std::move(*prompt);
    } else {
      answer.end = std::move(std::get<runtime::EndEvent>(event));
      return answer;
    }
  }
}

inline std::vector<Answer> read_all(std::vector<runtime::Stream>& streams) {
  std::vector<Answer> answers;
  for (runtime::Stream& stream : streams) answers.push_back(read_all(stream));
  return answers;
}

inline constexpr int64_t kVocabulary = 97;
inline constexpr int64_t kHidden = 48;
inline constexpr int32_t kPoisoned = 96;

inline std::vector<int32_t> random_tokens(std::mt19937& random, size_t count) {
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % (kVocabulary - 1));
  return tokens;
}

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() {
    write_tiny_model({.vocabulary = kVocabulary, .hidden = kHidden, .outlier_gain = 20},
                     directory_.path());
    load(with_method(linear::Method::llm_int8, 16));
  }
  void load(const model::LoadOptions& options) {
    loaded_ = std::make_unique<model::Loaded>(model::load(cpu_, directory_.path(), options));
  }
  model::Model& model() { return loaded_->model; }

  /// From now on a prompt that holds kPoisoned fails, and no other: in one dimension its embedding
  /// alone is not zero, and what the first layer's values make of that does not fit the cache.
  void poison_a_token() {
    const auto path = directory_.path() / "model.safetensors";
    std::string bytes = read_file(path);
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    const auto json = nlohmann::json::parse(bytes.substr(8, header));
    const auto set = [&](const char* name, size_t row, uint16_t f16) {
      const auto begin = json[name]["data_offsets"][0].get<size_t>();
      std::memcpy(&bytes[8 + header + begin + row * kHidden * sizeof f16], &f16, sizeof f16);
    };
    constexpr uint16_t kOne = 0x3c00;
    constexpr uint16_t kLarge = 0x7bff;
    for (size_t token = 0; token < kVocabulary; ++token) {
      set("model.embed_tokens.weight", token, token == kPoisoned ? kOne : 0);
    }
    set("model.layers.0.self_attn.v_proj.weight", 0, kLarge);
    std::ofstream(path, std::ios::binary) << bytes;
    load(with_method(linear::Method::bf16));
  }

  runtime::Generated alone(const runtime::Request& request, int64_t context) {
    runtime::Session session(model(), cpu_, context);
    runtime::GenerateOptions options;
    options.max_tokens = request.max_tokens;
    options.sampling = request.sampling;
    options.ignore_eos = request.ignore_eos;
    options.activation_bits = request.activation_bits;
    options.end_tokens = request.end_tokens;
    return runtime::generate(session, model(), request.prompt, options, {});
  }

  runtime::Request request(std::vector<int32_t> prompt, int64_t max_tokens) {
    runtime::Request request;
    request.prompt = std::move(prompt);
    request.max_tokens = max_tokens;
    request.sampling.temperature = 0;
    request.ignore_eos = true;
    return request;
  }

  TemporaryDirectory directory_;
  device::Cpu cpu_{2};
  std::unique_ptr<model::Loaded> loaded_;
};

}  // namespace octet::test

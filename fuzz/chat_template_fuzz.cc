// Any bytes as a chat template: an Error, or a text of well-formed UTF-8 within the limits.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "chat/chat_template.h"
#include "tokenizer/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace octet;
  // Small enough that a run takes milliseconds under the sanitizers.
  constexpr chat::Limits kLimits = {
      .steps = 20'000, .bytes = int64_t{1} << 22, .prompt_bytes = int64_t{1} << 18};
  static const auto variables = nlohmann::ordered_json::parse(R"({
    "messages": [{"role": "system", "content": " Be brief.\n"},
                 {"role": "user", "content": "Hi \u00dcn\u00ef \ud83d\ude00"},
                 {"role": "assistant", "content": null, "tool_calls": [
                   {"id": "call-000001", "function": {"name": "f", "arguments": {"x": [1, 2.5, true]}}}]},
                 {"role": "tool", "content": "{}", "tool_call_id": "call-000001"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {
               "type": "object", "properties": {"x": {"type": "array"}}}}}],
    "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true})");
  try {
    const chat::Template parsed({reinterpret_cast<const char*>(data), size}, "input");
    const std::string text = parsed.render(variables, {}, kLimits);
    if (tokenizer::well_formed_prefix(text) != text.size()) __builtin_trap();
    if (text.size() > static_cast<size_t>(kLimits.prompt_bytes)) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}

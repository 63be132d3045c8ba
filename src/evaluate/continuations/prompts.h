// The beginnings of texts whose continuations are compared: prose, code and JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octet::evaluate {

enum class PromptKind : uint8_t {
  prose,
  python,
  json,
  code  ///< in a language that is not checked
};
std::string_view name(PromptKind kind);
std::optional<PromptKind> parse_prompt_kind(std::string_view text);

struct Prompt {
  PromptKind kind = PromptKind::prose;
  std::string name;
  std::string text;
};

/// Our own: four each of prose, Python and JSON.
const std::vector<Prompt>& own_prompts();

/// JSON lines with `kind` and `text`, and a `name` where one is wanted (else "line 3"). Throws
/// Error naming the file and the line.
std::vector<Prompt> read_prompts(const std::filesystem::path& path);

}  // namespace octet::evaluate

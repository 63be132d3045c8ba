// What can be said of a generated text without running anything: does it parse?
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "evaluate/continuations/prompts.h"

namespace octet::evaluate {

enum class Check : uint8_t {
  parses,
  broken,      ///< no continuation could make it right
  unfinished,  ///< right so far; the tokens ran out
  not_checked
};
/// "parses", "broken", "unfinished", "not checked".
std::string_view name(Check check);

/// A prompt with what a model made of it.
struct GeneratedText {
  PromptKind kind = PromptKind::prose;
  std::string prompt;
  std::string continuation;
  bool ended = false;  ///< by the model, not by the number of tokens
};

/// JSON: the value that begins at the first bracket or brace of the text; what follows it does not
/// matter.
Check check_json(const GeneratedText& text);

/// The part of a Python text that the prompt began: up to the first line of the continuation that
/// begins at the margin, closing brackets aside. `whole`: it was ended so, or by the model; else it
/// goes as far as the last whole line.
struct Block {
  std::string source;
  bool whole = false;
};
Block python_block(const GeneratedText& text);

/// All texts at once. Python is parsed by `python3` (ast.parse, which runs nothing of it), and is
/// not checked where that is not installed; prose and other code are not checked.
std::vector<Check> check_texts(const std::vector<GeneratedText>& texts);

}  // namespace octet::evaluate

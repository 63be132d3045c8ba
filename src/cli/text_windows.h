// A text as the windows that commands score, and the flags that say which.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "evaluate/windows.h"
#include "model/load/load.h"
#include "tokenizer/tokenizer.h"

namespace octet::cli {

inline constexpr int64_t kDefaultWindow = 512;

/// What is scored, and the tokens of the text it was taken from.
struct Scored {
  std::vector<evaluate::Window> windows;
  int64_t text_tokens = 0;
};

/// Consecutive windows of `length` tokens of the documents as one text, at most `limit`. Throws
/// Error naming `file`, and what else could be done, when there is not even one.
Scored windows_of_text(const tokenizer::Tokenizer& tokenizer,
                       const std::vector<std::string>& documents, int64_t length,
                       std::optional<int64_t> limit, const std::string& file,
                       std::string_view instead = "a longer text");

/// The text of commands that score one: -f, --text-field and --chunks, beside -c.
struct TextOptions {
  std::string file;
  std::string text_field = "text";
  std::optional<int64_t> chunks;
};
void add_text_options(CLI::App& app, TextOptions& options);

/// The file's documents. Throws UsageError when -c leaves nothing to predict.
std::vector<std::string> read_text(const TextOptions& text, const CommonOptions& options);
/// Its windows, of -c or 512 tokens (or as many as the model has positions).
Scored windows_for(const model::Loaded& loaded, const std::vector<std::string>& documents,
                   const TextOptions& text, const CommonOptions& options);

}  // namespace octet::cli

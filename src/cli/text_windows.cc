// Cutting the text of a command into windows with a model's tokenizer.
#include "cli/text_windows.h"

#include "base/error.h"
#include "cli/command.h"
#include "cli/loading.h"
#include "evaluate/text.h"

namespace octet::cli {

Scored windows_of_text(const tokenizer::Tokenizer& tokenizer,
                       const std::vector<std::string>& documents, int64_t length,
                       std::optional<int64_t> limit, const std::string& file,
                       std::string_view instead) {
  const std::vector<int32_t> tokens =
      tokenizer.encode(evaluate::join(documents), {.add_special = false, .parse_special = false});
  Scored scored;
  scored.text_tokens = static_cast<int64_t>(tokens.size());
  scored.windows = evaluate::cut_windows(tokens, length, limit);
  if (scored.windows.empty())
    fail("{}: {} tokens make no window of {}; use a smaller -c or {}", file, tokens.size(), length,
         instead);
  return scored;
}

void add_text_options(CLI::App& app, TextOptions& options) {
  const char* const group = "Text";
  app.add_option("-f,--file", options.file, "Plain text, JSON lines or a JSON array")
      ->group(group)
      ->required()
      ->type_name("FILE");
  app.add_option("--text-field", options.text_field, "Member of JSON objects that holds the text")
      ->group(group)
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--chunks", options.chunks, "The first N windows only")
      ->group(group)
      ->type_name("N")
      ->check(number_in(1, 1e15));
}

std::vector<std::string> read_text(const TextOptions& text, const CommonOptions& options) {
  if (options.context && *options.context < 2)
    throw UsageError("--ctx-size: scoring needs at least two tokens");
  return evaluate::read_documents(text.file, text.text_field);
}

Scored windows_for(const model::Loaded& loaded, const std::vector<std::string>& documents,
                   const TextOptions& text, const CommonOptions& options) {
  const int64_t length = context_size(options, loaded.model.architecture(), kDefaultWindow);
  const tokenizer::Tokenizer& tokenizer =
      need_tokenizer(loaded, options, "use a model that has one");
  return windows_of_text(tokenizer, documents, length, text.chunks, text.file);
}

}  // namespace octet::cli

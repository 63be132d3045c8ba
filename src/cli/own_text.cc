// Letting a model write the text that it is measured on.
#include "cli/own_text.h"

#include <fmt/core.h>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "evaluate/continuations/prompts.h"
#include "runtime/session.h"
#include "tokenizer/tokenizer.h"

namespace octet::cli {
namespace {

std::vector<std::string> beginnings() {
  std::vector<std::string> texts;
  for (const evaluate::Prompt& prompt : evaluate::own_prompts())
    if (prompt.kind == evaluate::PromptKind::prose) texts.push_back(prompt.text);
  return texts;
}

}  // namespace

std::vector<std::string> own_text(device::Cpu& cpu, const CommonOptions& common, int64_t window,
                                  int64_t tokens) {
  const linear::Precision precision = precision_of(common, linear::Method::fp16);
  LoadedModel model = load_model(cpu, common, precision);
  const tokenizer::Tokenizer& tokenizer =
      need_tokenizer(model.loaded, common, "give a model that has one");
  runtime::Session session(model.loaded.model, cpu, window);
  runtime::GenerateOptions options;
  options.max_tokens = window;
  options.sampling = {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0};
  options.ignore_eos = true;
  options.activation_bits = precision.activation_bits;
  Progress progress("writing a text");
  const std::vector<std::string> prompts = beginnings();
  std::vector<std::string> texts;
  int64_t written = 0;
  while (written < tokens) {
    const std::string& beginning = prompts[texts.size() % prompts.size()];
    options.sampling.seed = texts.size();
    std::vector<int32_t> ids =
        tokenizer.encode(beginning, {.add_special = true, .parse_special = false});
    if (std::ssize(ids) >= window)
      fail("{}: windows of {} tokens are too short for a text of its own; give one with -f",
           common.model, window);
    const runtime::Generated generated =
        runtime::generate(session, model.loaded.model, ids, options, [&](int32_t, float) {
          throw_if_interrupted();
          progress.update(static_cast<double>(++written) / static_cast<double>(tokens));
          return written < tokens;
        });
    ids.insert(ids.end(), generated.tokens.begin(), generated.tokens.end());
    texts.push_back(tokenizer.decode(ids));
  }
  return texts;
}

}  // namespace octet::cli

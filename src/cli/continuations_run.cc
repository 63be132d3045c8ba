// Loading one method after the other and letting it continue the prompts.
#include "cli/continuations_run.h"

#include <fmt/core.h>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "evaluate/continuations/greedy.h"
#include "tokenizer/tokenizer.h"

namespace octet::cli {
namespace {

using Tokens = std::vector<int32_t>;

std::vector<Tokens> encode(const tokenizer::Tokenizer& tokenizer, const ContinuationsRun& run,
                           const model::Architecture& architecture, const std::string& model) {
  std::vector<Tokens> encoded;
  for (const evaluate::Prompt& prompt : run.prompts) {
    encoded.push_back(tokenizer.encode(prompt.text, {.add_special = true, .parse_special = false}));
    const int64_t length = std::ssize(encoded.back());
    if (length == 0) fail("prompt '{}': {} makes no token of it", prompt.name, model);
    const int64_t positions = architecture.max_positions;
    if (positions > 0 && length + run.tokens > positions)
      fail(
          "prompt '{}' has {} tokens and {} more are asked for, {} has {} positions; use a smaller "
          "-n",
          prompt.name, length, run.tokens, model, positions);
  }
  return encoded;
}

/// What the tokens say behind the prompt.
std::string text_behind(const tokenizer::Tokenizer& tokenizer, const Tokens& prompt,
                        const Tokens& continuation) {
  tokenizer::StreamDecoder decoder(tokenizer);
  for (const int32_t token : prompt) decoder.push(token);
  std::string text;
  for (const int32_t token : continuation)
    if (token != evaluate::kEndOfText) text += decoder.push(token);
  return text + decoder.finish();
}

void check(const ContinuationsRun& run, Continuations& made) {
  std::vector<evaluate::GeneratedText> texts;
  for (size_t i = 0; i < run.prompts.size(); ++i) {
    const Tokens& tokens = made.tokens[i];
    texts.push_back({.kind = run.prompts[i].kind,
                     .prompt = run.prompts[i].text,
                     .continuation = made.texts[i],
                     .ended = !tokens.empty() && tokens.back() == evaluate::kEndOfText});
  }
  made.checks = evaluate::check_texts(texts);
}

Continuations continue_prompts(device::Cpu& cpu, const CommonOptions& common,
                               const linear::Precision& precision, const ContinuationsRun& run) {
  LoadedModel model = load_model(cpu, common, precision, {.plant = {}, .report_kept = false});
  const tokenizer::Tokenizer& tokenizer =
      need_tokenizer(model.loaded, common, "prompts are texts and need one");
  const std::vector<Tokens> prompts =
      encode(tokenizer, run, model.loaded.model.architecture(), common.model);
  Continuations made = {.precision = model.loaded.model.precision()};
  Progress progress(
      fmt::format("{} ({} prompts)", linear::name(precision.method), run.prompts.size()));
  made.tokens = evaluate::greedy_continuations(model.loaded.model, cpu, prompts,
                                               {.tokens = run.tokens,
                                                .activation_bits = precision.activation_bits,
                                                .progress = [&progress](double share) {
                                                  throw_if_interrupted();
                                                  progress.update(share);
                                                }});
  for (size_t i = 0; i < prompts.size(); ++i)
    made.texts.push_back(text_behind(tokenizer, prompts[i], made.tokens[i]));
  check(run, made);
  return made;
}

}  // namespace

void run_continuations(device::Cpu& cpu, const CommonOptions& common, linear::Method reference,
                       const std::vector<linear::Precision>& precisions, ContinuationsRun& run) {
  std::vector<linear::Precision> all = {precision_of(common, reference)};
  all.insert(all.end(), precisions.begin(), precisions.end());
  for (const linear::Precision& precision : all) {
    Continuations made = continue_prompts(cpu, common, precision, run);
    for (size_t i = 0; i < run.prompts.size(); ++i) {
      const Tokens& other = run.methods.empty() ? made.tokens[i] : run.methods[0].tokens[i];
      made.comparisons.push_back(evaluate::compare(made.tokens[i], other));
    }
    made.summaries = evaluate::summarize(run.prompts, made.comparisons, made.checks);
    run.methods.push_back(std::move(made));
  }
}

}  // namespace octet::cli

// Showing compared continuations.
#include "cli/continuations_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "evaluate/markdown_table.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;
using evaluate::KindSummary;
using Cells = std::vector<std::vector<std::string>>;

std::vector<std::string> cells_of(const Continuations& made, const KindSummary& summary,
                                  bool reference) {
  const bool unchecked = summary.not_checked == summary.prompts;
  const auto count = [unchecked](int64_t value) {
    return unchecked ? std::string("–") : fmt::format("{}", value);
  };
  return {fmt::format("{}{}", linear::name(made.precision.method), reference ? " (reference)" : ""),
          fmt::format("{}", activation_bits_of(made.precision)),
          std::string(name(summary.kind)),
          fmt::format("{} of {}", summary.identical, summary.prompts),
          summary.median_divergence ? fmt::format("{}", *summary.median_divergence) : "never",
          fmt::format("{:.1f}%", summary.agreement * 100),
          count(summary.parses),
          count(summary.broken),
          count(summary.unfinished)};
}

Cells table_of(const ContinuationsRun& run) {
  Cells rows = {{"method", "bits", "prompts", "identical", "parts after", "same tokens", "parse",
                 "broken", "cut off"}};
  for (const Continuations& made : run.methods)
    for (const KindSummary& summary : made.summaries)
      rows.push_back(cells_of(made, summary, &made == &run.methods.front()));
  return rows;
}

/// Python texts that were not parsed, in any method.
bool python_missing(const ContinuationsRun& run) {
  for (size_t i = 0; i < run.prompts.size(); ++i)
    if (run.prompts[i].kind == evaluate::PromptKind::python &&
        run.methods.front().checks[i] == evaluate::Check::not_checked)
      return true;
  return false;
}

Json summary_json(const KindSummary& summary) {
  return {{"kind", name(summary.kind)},
          {"prompts", summary.prompts},
          {"identical", summary.identical},
          {"median_divergence",
           summary.median_divergence ? Json(*summary.median_divergence) : Json(nullptr)},
          {"agreement", summary.agreement},
          {"parses", summary.parses},
          {"broken", summary.broken},
          {"unfinished", summary.unfinished},
          {"not_checked", summary.not_checked}};
}

Json prompt_json(const ContinuationsRun& run, const Continuations& made, size_t index) {
  const evaluate::Comparison& comparison = made.comparisons[index];
  return {{"name", run.prompts[index].name},
          {"kind", name(run.prompts[index].kind)},
          {"positions", comparison.positions},
          {"first_divergence",
           comparison.first_divergence ? Json(*comparison.first_divergence) : Json(nullptr)},
          {"agreement", comparison.agreement()},
          {"check", name(made.checks[index])},
          {"text", made.texts[index]}};
}

/// The prompt that a method leaves the reference's way on first; nothing when it never does.
std::optional<size_t> first_apart(const Continuations& made) {
  std::optional<size_t> first;
  for (size_t i = 0; i < made.comparisons.size(); ++i) {
    const auto& divergence = made.comparisons[i].first_divergence;
    if (divergence && (!first || *divergence < *made.comparisons[*first].first_divergence))
      first = i;
  }
  return first;
}

/// `text` up to `length` bytes, cut between characters.
std::string beginning_of(const std::string& text, size_t length) {
  if (text.size() <= length) return text;
  while (length > 0 && (text[length] & 0xc0) == 0x80) --length;
  return text.substr(0, length) + "…";
}

}  // namespace

std::string continuations_text(const ContinuationsRun& run) {
  std::string text = evaluate::markdown_table(table_of(run));
  if (python_missing(run)) text += "\nPython was not checked: python3 is not installed.\n";
  return text;
}

Json continuations_json(const ContinuationsRun& run) {
  Json methods = Json::array();
  for (const Continuations& made : run.methods) {
    Json summaries = Json::array();
    for (const KindSummary& summary : made.summaries) summaries.push_back(summary_json(summary));
    Json prompts = Json::array();
    for (size_t i = 0; i < run.prompts.size(); ++i) prompts.push_back(prompt_json(run, made, i));
    methods.push_back({{"method", linear::name(made.precision.method)},
                       {"activation_bits", activation_bits_of(made.precision)},
                       {"kinds", std::move(summaries)},
                       {"prompts", std::move(prompts)}});
  }
  return methods;
}

void add_continuations_section(report::Page& page, const ContinuationsRun& run) {
  page.paragraph(fmt::format(
      "The likeliest continuation of {} prompts, up to {} tokens, beside {}'s. One token that "
      "differs changes all that follows, so texts part sooner or later in any arithmetic; what "
      "counts is whether JSON and Python still parse. JSON: the first value; Python: what the "
      "prompt began, read by Python's own parser, never run. Parts after: so many tokens, the "
      "middle "
      "one of the prompts. Cut off: right so far, but the tokens ran out.",
      run.prompts.size(), run.tokens, linear::name(run.methods.front().precision.method)));
  page.table(table_of(run));
  if (python_missing(run)) page.note("Python was not checked: python3 is not installed.");
  for (size_t i = 1; i < run.methods.size(); ++i) {
    const Continuations& made = run.methods[i];
    const std::optional<size_t> first = first_apart(made);
    if (!first) continue;
    page.paragraph(
        fmt::format("Where {} ({} bits) parts first, after {} tokens of “{}”:",
                    linear::name(made.precision.method), activation_bits_of(made.precision),
                    *made.comparisons[*first].first_divergence, run.prompts[*first].name));
    constexpr size_t kShownBytes = 240;
    page.preformatted(fmt::format(
        "{}:\n{}{}\n\n{}:\n{}{}", linear::name(run.methods[0].precision.method),
        run.prompts[*first].text, beginning_of(run.methods[0].texts[*first], kShownBytes),
        linear::name(made.precision.method), run.prompts[*first].text,
        beginning_of(made.texts[*first], kShownBytes)));
  }
}

}  // namespace octet::cli

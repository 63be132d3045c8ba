// Showing a sweep over gains.
#include "cli/sweep_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "evaluate/markdown_table.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;
using Cells = std::vector<std::vector<std::string>>;

std::string label_of(const linear::Precision& precision) {
  if (precision.method != linear::Method::llm_int8)
    return std::string(linear::name(precision.method));
  return fmt::format("{}, {} bits", linear::name(precision.method), precision.activation_bits);
}

double divergence_of(const Row& row) {
  return row.result.divergence ? row.result.divergence->kl.value : NAN;
}

Cells table_of(const Sweep& sweep, std::string (*cell)(const Row&)) {
  Cells rows = {{"method", "bits"}};
  for (const int64_t gain : sweep.gains) rows.front().push_back(fmt::format("×{}", gain));
  for (const SweepRow& row : sweep.rows) {
    rows.push_back({std::string(linear::name(row.precision.method)),
                    fmt::format("{}", activation_bits_of(row.precision))});
    for (const Row& each : row.cells) rows.back().push_back(cell(each));
  }
  return rows;
}

/// With a last column that says where the method breaks down.
Cells perplexity_table(const Sweep& sweep) {
  Cells rows =
      table_of(sweep, [](const Row& row) { return fmt::format("{:.2f}", row.result.value()); });
  rows.front().emplace_back("breaks down from");
  for (size_t i = 0; i < sweep.rows.size(); ++i) {
    const int64_t gain = breakdown_gain(sweep, sweep.rows[i]);
    rows[i + 1].push_back(gain == 0 ? "–" : fmt::format("×{}", gain));
  }
  return rows;
}

Cells divergence_table(const Sweep& sweep) {
  return table_of(sweep, [](const Row& row) { return fmt::format("{:.5f}", divergence_of(row)); });
}

std::string breakdown_rule(const Sweep& sweep) {
  return fmt::format("Breaks down: perplexity more than {:.0f}% above {:.2f}, {}'s, from there on",
                     kBreakdown * 100, reference_perplexity(sweep), sweep.reference);
}

report::Plot plot_of(const Sweep& sweep, const std::string& name, double (*value)(const Row&)) {
  report::Plot plot;
  plot.x = {.name = "gain of the planted outliers", .logarithmic = true, .base = 2};
  plot.y = {.name = name, .logarithmic = true};
  for (const SweepRow& row : sweep.rows) {
    report::Series series = {.name = label_of(row.precision)};
    for (size_t i = 0; i < sweep.gains.size(); ++i) {
      series.x.push_back(static_cast<double>(sweep.gains[i]));
      series.y.push_back(value(row.cells[i]));
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

std::string dimensions_text(const Sweep& sweep) {
  std::string text;
  for (const int32_t dimension : sweep.dimensions)
    text += fmt::format("{}{}", text.empty() ? "" : ",", dimension);
  return text;
}

}  // namespace

double reference_perplexity(const Sweep& sweep) {
  const Row* nearest = nullptr;
  for (const SweepRow& row : sweep.rows) {
    const Row& natural = row.cells.front();
    if (linear::name(row.precision.method) == sweep.reference) return natural.result.value();
    if (nearest == nullptr || divergence_of(natural) < divergence_of(*nearest)) nearest = &natural;
  }
  return nearest == nullptr ? 0 : nearest->result.value();
}

int64_t breakdown_gain(const Sweep& sweep, const SweepRow& row) {
  const double limit = (1 + kBreakdown) * reference_perplexity(sweep);
  int64_t from = 0;
  for (size_t i = sweep.gains.size(); i-- > 0;) {
    if (!(row.cells[i].result.value() > limit)) break;
    from = sweep.gains[i];
  }
  return from;
}

std::string sweep_text(const Sweep& sweep) {
  return fmt::format(
      "Perplexity, outliers × gain in dimensions {}:\n\n{}\n{}.\n\n"
      "Divergence from {} (KL, nats a token):\n\n{}",
      dimensions_text(sweep), evaluate::markdown_table(perplexity_table(sweep)),
      breakdown_rule(sweep), sweep.reference, evaluate::markdown_table(divergence_table(sweep)));
}

Json sweep_json(const Sweep& sweep) {
  Json results = Json::array();
  Json breakdowns = Json::array();
  for (const SweepRow& row : sweep.rows) {
    for (size_t i = 0; i < sweep.gains.size(); ++i) {
      Json cell = json_row(row.cells[i], nullptr);
      cell["gain"] = sweep.gains[i];
      results.push_back(std::move(cell));
    }
    const int64_t gain = breakdown_gain(sweep, row);
    breakdowns.push_back({{"method", linear::name(row.precision.method)},
                          {"activation_bits", activation_bits_of(row.precision)},
                          {"gain", gain == 0 ? Json(nullptr) : Json(gain)}});
  }
  return {{"reference", sweep.reference},  {"dimensions", sweep.dimensions},
          {"gains", sweep.gains},          {"results", std::move(results)},
          {"breakdown_share", kBreakdown}, {"breakdowns", std::move(breakdowns)}};
}

report::Plot perplexity_plot(const Sweep& sweep) {
  return plot_of(sweep, "perplexity", [](const Row& row) { return row.result.value(); });
}

report::Plot divergence_plot(const Sweep& sweep) {
  return plot_of(sweep, "KL from " + sweep.reference + ", nats a token", divergence_of);
}

void add_sweep_section(report::Page& page, const Sweep& sweep) {
  page.paragraph(fmt::format(
      "The same function with outlier features of growing size: in every layer the norms in front "
      "of the blocks are multiplied by the gain in dimensions {} of the hidden state, and the "
      "weights that read them are divided by it. Float arithmetic does not notice; a method whose "
      "scale is set by an outlier does. Where a curve rises, so would this method on a model that "
      "has such outliers by nature, as large models have.",
      dimensions_text(sweep)));
  page.figure(report::svg(perplexity_plot(sweep)), "Perplexity against the gain.");
  page.table(perplexity_table(sweep));
  page.paragraph(breakdown_rule(sweep) + ".");
  page.figure(report::svg(divergence_plot(sweep)),
              "Divergence from " + sweep.reference + " against the gain; 0 is not drawn.");
  page.table(divergence_table(sweep));
}

}  // namespace octet::cli

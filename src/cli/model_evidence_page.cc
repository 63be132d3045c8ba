// The page, the text and the JSON of octet report.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/continuations_report.h"
#include "cli/model_evidence.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/sweep_report.h"
#include "evaluate/markdown_table.h"
#include "report/plot.h"

namespace octet::cli {
namespace {

using Json = nlohmann::ordered_json;
using Cells = std::vector<std::vector<std::string>>;
using report::Page;

Cells methods_table(const ModelEvidence& evidence) {
  const auto judged = judged_rows(evidence);
  Cells cells = {
      {"method", "bits", "perplexity", "change", "KL mean", "KL p99", "same top-1", "verdict"}};
  for (size_t i = 0; i < judged.size(); ++i) {
    const Row& row = evidence.rows[i];
    const bool int8 = linear::is_int8(row.precision.method);
    cells.push_back(
        {std::string(linear::name(row.precision.method)),
         fmt::format("{}", activation_bits_of(row.precision)),
         fmt::format("{:.3f} ± {:.3f}", row.result.value(), row.result.standard_error()),
         fmt::format("{:+.2f}%", (judged[i].perplexity_ratio - 1) * 100),
         fmt::format("{:.5f}", judged[i].kl.value),
         row.result.divergence ? fmt::format("{:.4f}", row.result.divergence->kl_p99) : "–",
         fmt::format("{:.2f}%", judged[i].top1_agreement * 100),
         int8 ? std::string(evaluate::name(evaluate::judge(judged[i]))) : "–"});
  }
  return cells;
}

report::BarChart divergence_chart(const ModelEvidence& evidence) {
  report::BarChart chart;
  chart.y = {.name = "KL from " + evidence.reference + ", nats a token", .logarithmic = true};
  report::BarChart::Bars bars;
  for (const Row& row : evidence.rows) {
    if (!linear::is_int8(row.precision.method) || !row.result.divergence) continue;
    chart.labels.push_back(fmt::format("{} {}", linear::name(row.precision.method),
                                       activation_bits_of(row.precision)));
    bars.values.push_back(row.result.divergence->kl.value);
  }
  chart.bars = {std::move(bars)};
  return chart;
}

Cells speed_table(const ModelEvidence& evidence) {
  Cells cells = {{"method", "bits", "weights", "of bf16", "prompt, tokens/s",
                  "decode, one sequence", fmt::format("decode, {} sequences", kReportBatch)}};
  for (const MeasuredSpeed& speed : evidence.speeds)
    cells.push_back({std::string(linear::name(speed.precision.method)),
                     fmt::format("{}", activation_bits_of(speed.precision)),
                     size_text(speed.weights_bytes),
                     fmt::format("{:.0f}%", 100.0 * static_cast<double>(speed.weights_bytes) /
                                                static_cast<double>(evidence.bytes_16bit)),
                     fmt::format("{:.0f}", speed.prompt_tokens_per_s),
                     fmt::format("{:.0f}", speed.alone_tokens_per_s),
                     fmt::format("{:.0f}", speed.batched_tokens_per_s)});
  return cells;
}

void add_verdict(Page& page, const ModelEvidence& evidence) {
  const Verdict verdict = verdict_of(evidence);
  page.note(verdict.headline, verdict.tone);
  page.list(verdict.grounds);
  page.heading("When not to use it");
  page.list(verdict.cautions);
  page.heading("The rules");
  page.list(evaluate::safety_rules());
}

void add_methods(Page& page, const ModelEvidence& evidence) {
  page.heading("Methods (the paper's Table 1)");
  page.paragraph(fmt::format(
      "{} tokens of {}, in windows of {}; perplexity with its standard error, divergence from {} "
      "and "
      "how often both have the same likeliest token. Bits are those of the activations.",
      evidence.rows.front().result.tokens, evidence.text, evidence.window, evidence.reference));
  page.table(methods_table(evidence));
  page.figure(report::svg(divergence_chart(evidence)),
              "Divergence of the int8 methods, on a logarithmic scale.");
}

void add_outliers_of(Page& page, const ModelEvidence& evidence) {
  page.heading("Outliers");
  const std::vector<OutlierReport> reports = {evidence.outliers};
  for (const ReportTable& table : outlier_tables(reports)) {
    page.heading(table.heading, 3);
    if (!table.explanation.empty()) page.paragraph(table.explanation);
    page.table(table.rows);
  }
  // Those over models' sizes say nothing of a single one.
  std::vector<ReportFigure> figures = outlier_figures(reports);
  std::erase_if(figures, [](const ReportFigure& each) { return each.name.starts_with("figure-"); });
  add_figures(page, figures);
}

void add_thresholds(Page& page, const ModelEvidence& evidence) {
  page.heading("Thresholds");
  const ThresholdReport report = {.model = evidence.model,
                                  .file = evidence.text,
                                  .tokens = evidence.rows.front().result.tokens,
                                  .study = *evidence.thresholds};
  page.list(threshold_reasons(report.study));
  for (const ReportTable& table : threshold_tables(report)) {
    page.heading(table.heading, 3);
    if (!table.explanation.empty()) page.paragraph(table.explanation);
    page.table(table.rows);
  }
}

Json speed_json(const MeasuredSpeed& speed) {
  return {{"method", linear::name(speed.precision.method)},
          {"activation_bits", activation_bits_of(speed.precision)},
          {"weights_bytes", speed.weights_bytes},
          {"prompt_tokens_per_s", speed.prompt_tokens_per_s},
          {"decode",
           Json::array({{{"batch", 1}, {"tokens_per_s", speed.alone_tokens_per_s}},
                        {{"batch", kReportBatch}, {"tokens_per_s", speed.batched_tokens_per_s}}})}};
}

}  // namespace

std::string evidence_text(const ModelEvidence& evidence) {
  const Verdict verdict = verdict_of(evidence);
  std::string text = verdict.headline + "\n";
  for (const std::string& each : verdict.grounds) text += "- " + each + "\n";
  text += "\nWhen not to use it:\n";
  for (const std::string& each : verdict.cautions) text += "- " + each + "\n";
  text += "\n" + evaluate::markdown_table(methods_table(evidence));
  text += "\n" + continuations_text(evidence.continuations);
  return text + "\n" + evaluate::markdown_table(speed_table(evidence));
}

Json evidence_json(const ModelEvidence& evidence) {
  const Verdict verdict = verdict_of(evidence);
  const auto judged = judged_rows(evidence);
  const auto best = evaluate::recommend(judged);
  Json object = {{"model", evidence.model},
                 {"text", evidence.text},
                 {"reference", evidence.reference},
                 {"tokens", evidence.rows.front().result.tokens},
                 {"windows", evidence.rows.front().result.windows},
                 {"ctx_size", evidence.window},
                 {"weights_bytes_16bit", evidence.bytes_16bit}};
  if (best) {
    const linear::Precision& precision = judged[best->method].precision;
    object["verdict"] = evaluate::name(best->safety);
    object["recommended"] = {{"method", linear::name(precision.method)},
                             {"activation_bits", activation_bits_of(precision)},
                             {"threshold", linear::thresholds_text(precision)},
                             {"outliers", linear::name(precision.outliers)}};
  }
  object["headline"] = verdict.headline;
  object["grounds"] = verdict.grounds;
  object["cautions"] = verdict.cautions;
  object["rules"] = evaluate::safety_rules();
  object["results"] = Json::array();
  for (size_t i = 0; i < judged.size(); ++i) {
    Json row = json_row(evidence.rows[i], nullptr);
    row["verdict"] = linear::is_int8(judged[i].precision.method)
                         ? Json(evaluate::name(evaluate::judge(judged[i])))
                         : Json(nullptr);
    object["results"].push_back(std::move(row));
  }
  object["outliers"] = outliers_json(evidence.outliers);
  if (evidence.thresholds)
    object["recommended_thresholds"] =
        linear::thresholds_text(evidence.thresholds->recommendation());
  object["continuations"] = continuations_json(evidence.continuations);
  object["speeds"] = Json::array();
  for (const MeasuredSpeed& speed : evidence.speeds) object["speeds"].push_back(speed_json(speed));
  if (evidence.sweep) object["sweep"] = sweep_json(*evidence.sweep);
  return object;
}

std::string evidence_page(const ModelEvidence& evidence) {
  Page page("Is int8 safe for " + model_label(evidence.model) + "?");
  add_verdict(page, evidence);
  add_methods(page, evidence);
  add_outliers_of(page, evidence);
  if (evidence.thresholds) add_thresholds(page, evidence);
  if (evidence.sweep) {
    page.heading("Phase transition");
    add_sweep_section(page, *evidence.sweep);
  }
  page.heading("Generated text and structured output");
  add_continuations_section(page, evidence.continuations);
  page.heading("Memory and speed");
  page.paragraph(fmt::format(
      "Weights as they are packed, embeddings and lm_head in 16 bits. Speeds on {}, a prompt of {} "
      "tokens, measured once: whatever else ran here is in them, and nothing is concluded from "
      "them. octet bench measures with care.",
      evidence.machine, evidence.speeds.front().prompt_tokens));
  page.table(speed_table(evidence));
  page.heading("How this was measured");
  page.preformatted(evidence.command);
  return page.html();
}

}  // namespace octet::cli

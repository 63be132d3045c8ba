// A study of thresholds as rows, plots and sentences.
#include "cli/threshold_report.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/report.h"
#include "report/plot.h"

namespace octet::cli {
namespace {

using evaluate::ThresholdPoint;
using evaluate::ThresholdStudy;
using linear::kLayerKinds;
using linear::LayerKind;
using Json = nlohmann::ordered_json;

std::string alpha(float threshold) {
  return threshold == 0 ? "off" : fmt::format("{}", threshold);
}

const std::vector<ThresholdPoint>& of_kind(const ThresholdStudy& study, LayerKind kind) {
  return study.by_kind[static_cast<size_t>(kind)];
}

const ThresholdPoint& recommended(const ThresholdStudy& study, LayerKind kind) {
  return of_kind(study, kind)[study.recommended[static_cast<size_t>(kind)]];
}

std::vector<std::string> accuracy_cells(const ThresholdPoint& point) {
  return {fmt::format("{:.4f}", point.result.value()), fmt::format("{:.5f}", point.kl()),
          percent(point.result.divergence->top1_agreement, 2)};
}

std::vector<std::string> together_row(const std::string& name, const ThresholdPoint& point) {
  std::vector<std::string> row = {name, percent(point.outlier_columns, 2)};
  for (std::string& cell : accuracy_cells(point)) row.push_back(std::move(cell));
  row.push_back(fmt::format("{:.0f}", point.tokens_per_s));
  row.push_back(fmt::format("{:.0f}", point.decode_per_s));
  row.push_back(size_text(point.weights_bytes));
  return row;
}

ReportTable together_table(const ThresholdStudy& study) {
  ReportTable table;
  table.heading = "One α for all layers";
  table.explanation = fmt::format(
      "{}, {}-bit activations, outliers {}; KL and same top-1 against 32 bits. Outlier columns: "
      "share of the input columns in which some value of a window reaches α, mean over layers.",
      linear::name(study.base.method), activation_bits_of(study.base),
      linear::name(study.base.outliers));
  table.rows = {{"α", "outlier columns", "perplexity", "KL mean", "same top-1", "tokens/s",
                 "decode tokens/s", "weights"}};
  for (const ThresholdPoint& point : study.together) {
    table.rows.push_back(together_row(alpha(point.threshold), point));
  }
  table.rows.push_back(together_row(linear::thresholds_text(study.recommendation()), study.chosen));
  return table;
}

ReportTable kinds_table(const ThresholdStudy& study) {
  ReportTable table;
  table.heading = "α of one kind of layer";
  table.explanation = fmt::format("The other kinds at {}; * recommended.", study.base.threshold);
  table.rows = {{"kind", "α", "outlier columns", "perplexity", "KL mean", "same top-1", "weights"}};
  for (const LayerKind kind : kLayerKinds) {
    for (const ThresholdPoint& point : of_kind(study, kind)) {
      const bool chosen = point.threshold == recommended(study, kind).threshold;
      std::vector<std::string> row = {std::string(title(kind)),
                                      alpha(point.threshold) + (chosen ? " *" : ""),
                                      percent(point.outlier_columns, 2)};
      for (std::string& cell : accuracy_cells(point)) row.push_back(std::move(cell));
      row.push_back(size_text(point.weights_bytes));
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

std::string reason(const ThresholdStudy& study, LayerKind kind) {
  const ThresholdPoint& point = recommended(study, kind);
  const ThresholdPoint& base = study.at_base();
  const auto& points = of_kind(study, kind);
  double base_columns = 0;
  for (const ThresholdPoint& other : points) {
    if (other.threshold == study.base.threshold) base_columns = other.outlier_columns;
  }
  if (point.threshold == study.base.threshold) {
    return fmt::format(
        "{}: α = {}: every larger one and none costs more than {:.0f}% of the best KL.",
        title(kind), alpha(point.threshold), evaluate::kTolerance * 100);
  }
  return fmt::format(
      "{}: α {}: {} outlier columns instead of {}, KL {:.5f} instead of {:.5f} ({:+.1f}%).",
      title(kind), point.threshold == 0 ? "off" : "= " + alpha(point.threshold),
      percent(point.outlier_columns, 2), percent(base_columns, 2), point.kl(), base.kl(),
      (point.kl() / base.kl() - 1) * 100);
}

report::Plot over_thresholds(const ThresholdStudy& study, const char* y_name,
                             double (*y)(const ThresholdPoint&)) {
  report::Plot plot;
  plot.x.name = "α of one kind of layer (off: not shown)";
  plot.x.logarithmic = true;
  plot.y.name = y_name;
  plot.y.logarithmic = true;
  for (const LayerKind kind : kLayerKinds) {
    report::Series series;
    series.name = title(kind);
    for (const ThresholdPoint& point : of_kind(study, kind)) {
      series.x.push_back(static_cast<double>(point.threshold));
      series.y.push_back(y(point));
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Json point_json(const ThresholdPoint& point) {
  Json object = {{"threshold", point.threshold},
                 {"outlier_columns", point.outlier_columns},
                 {"perplexity", point.result.value()},
                 {"kl_mean", point.kl()},
                 {"kl_p99", point.result.divergence->kl_p99},
                 {"top1_agreement", point.result.divergence->top1_agreement},
                 {"tokens_per_s", point.tokens_per_s},
                 {"weights_bytes", point.weights_bytes}};
  if (point.decode_per_s > 0) object["decode_tokens_per_s"] = point.decode_per_s;
  return object;
}

Json points_json(const std::vector<ThresholdPoint>& points) {
  Json array = Json::array();
  for (const ThresholdPoint& point : points) array.push_back(point_json(point));
  return array;
}

}  // namespace

std::vector<ReportTable> threshold_tables(const ThresholdReport& report) {
  return {together_table(report.study), kinds_table(report.study)};
}

std::vector<ReportFigure> threshold_figures(const ThresholdReport& report) {
  report::Plot kl = over_thresholds(report.study, "KL mean",
                                    [](const ThresholdPoint& point) { return point.kl(); });
  kl.title = "Divergence from 32 bits";
  report::Plot columns =
      over_thresholds(report.study, "% of the kind's input columns",
                      [](const ThresholdPoint& point) { return point.outlier_columns * 100; });
  columns.title = "Outlier columns";
  return {{"threshold-kl", "KL divergence with one kind of layer at α, the others at the base's.",
           report::svg(kl)},
          {"threshold-columns", "Columns that reach α in a window, mean over the kind's layers.",
           report::svg(columns)}};
}

std::vector<std::string> threshold_reasons(const ThresholdStudy& study) {
  std::vector<std::string> reasons;
  for (const LayerKind kind : kLayerKinds) reasons.push_back(reason(study, kind));
  const ThresholdPoint& base = study.at_base();
  reasons.push_back(fmt::format(
      "Recommended: --threshold {}. All at once: KL {:.5f} instead of {:.5f} ({:+.1f}%), {} "
      "outlier "
      "columns instead of {}, {:.0f} decoded tokens/s instead of {:.0f}.",
      linear::thresholds_text(study.recommendation()), study.chosen.kl(), base.kl(),
      (study.chosen.kl() / base.kl() - 1) * 100, percent(study.chosen.outlier_columns, 2),
      percent(base.outlier_columns, 2), study.chosen.decode_per_s, base.decode_per_s));
  return reasons;
}

std::string threshold_text(const ThresholdReport& report) {
  std::string text = tables_text(threshold_tables(report)) + "\n";
  for (const std::string& reason : threshold_reasons(report.study)) text += reason + "\n";
  return text;
}

std::string threshold_page(const ThresholdReport& report) {
  report::Page page("Outlier thresholds");
  page.paragraph(fmt::format("{} on {}, {} tokens.", report.model, report.file, report.tokens));
  for (const std::string& reason : threshold_reasons(report.study)) page.note(reason);
  add_tables(page, threshold_tables(report));
  page.heading("Plots");
  add_figures(page, threshold_figures(report));
  return page.html();
}

Json threshold_json(const ThresholdReport& report) {
  const ThresholdStudy& study = report.study;
  Json object = {{"model", report.model},
                 {"file", report.file},
                 {"tokens", report.tokens},
                 {"method", linear::name(study.base.method)},
                 {"activation_bits", activation_bits_of(study.base)},
                 {"outliers", linear::name(study.base.outliers)},
                 {"threshold", study.base.threshold},
                 {"together", points_json(study.together)}};
  for (const LayerKind kind : kLayerKinds) {
    object["by_kind"][std::string(linear::name(kind))] = points_json(of_kind(study, kind));
    object["recommended"][std::string(linear::name(kind))] = recommended(study, kind).threshold;
  }
  object["recommended_threshold"] = linear::thresholds_text(study.recommendation());
  object["chosen"] = point_json(study.chosen);
  object["reasons"] = threshold_reasons(study);
  return object;
}

}  // namespace octet::cli
